"""Which file is meant by a picture's name in an annotation: names are written in many ways, and may be ambiguous.

Tools write a name with or without folders, with the folders of another machine, with ``\\``, percent-coded, in another
normal form of Unicode, in another case, or behind a code of their own. The file whose path agrees best is meant; where
two agree equally well, none is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from sccan.errors import InputError
from sccan.files.plain import as_utf8, plain
from sccan.files.safe_names import folded

UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that was uploaded."""


class PictureNames:
    """The pictures of a folder, by the names that annotations give them.

    Attributes:
        folder: the folder.
        files: the pictures.
        keys: name without suffix, below the folder of pictures -> file.
        key_of: the other way round.
    """

    def __init__(self, folder: Path, files: Sequence[Path], bases: Sequence[Path] = ()) -> None:
        """
        Args:
            bases: folders of pictures, whose own name is no part of a picture's.

        Raises InputError: two pictures differ in nothing but their suffix.
        """
        self.folder, self.files = folder, tuple(files)
        self.keys: dict[str, Path] = {}
        self.key_of: dict[Path, str] = {}
        for file in files:
            base = next((base for base in bases if base in file.parents), folder)
            key = as_utf8(file.relative_to(base).with_suffix("").as_posix())
            if key in self.keys:
                raise InputError(
                    f"{file.parent} has two pictures called {file.stem} ({self.keys[key].name}, {file.name}); "
                    f"rename one"
                )
            self.keys[key] = file
            self.key_of[file] = key
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for file in files:
            self._by_name.setdefault(folded(file.name), []).append(file)
            self._by_stem.setdefault(folded(file.stem), []).append(file)

    def find(self, stated: str) -> Path | None:
        """The file that is meant by a name; None: there is none.

        Raises InputError: it may be one or another.
        """
        text = stated.replace("\\", "/")
        for name in dict.fromkeys((text, unquote(text.partition("?")[0]))):
            found = self._best(name)
            if found is not None:
                return found
        last = text.rpartition("/")[2]
        return self._best(UPLOADED.sub("", last)) if UPLOADED.match(last) else None

    def _best(self, name: str) -> Path | None:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts:
            return None
        files = self._by_name.get(folded(parts[-1])) or self._by_stem.get(folded(parts[-1]))
        files = files or self._by_stem.get(folded(parts[-1].rpartition(".")[0] or "\0"), [])
        return self._closest(parts, files, name)

    def _closest(self, parts: Sequence[str], files: Iterable[Path], name: str) -> Path | None:
        scored = sorted(
            ((_agreement(parts, file.relative_to(self.folder).parts), file) for file in files), reverse=True
        )
        if not scored:
            return None
        if len(scored) > 1 and scored[0][0] == scored[1][0]:
            both = " or ".join(plain(str(file.relative_to(self.folder))) for _, file in scored[:2])
            raise InputError(f"{self.folder}: {plain(name)} may be {both}; name it with its folder, or rename one")
        return scored[0][1]


def _agreement(stated: Sequence[str], found: Sequence[str]) -> tuple[int, bool, bool]:
    """How well two paths agree: equal parts from the end on, then whether suffix and letters are the same."""
    equal = 1
    for one, other in zip(reversed(stated[:-1]), reversed(found[:-1]), strict=False):
        if folded(one) != folded(other):
            break
        equal += 1
    last, name = stated[-1], found[-1]
    return equal, folded(last) == folded(name), _normal(last) in (_normal(name), _normal(name).rpartition(".")[0])


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
