"""Which files of a folder of results are ours: written down before they are written, so that nobody else's is replaced.

OUT/.made_by_sccan holds a name per line, as JSON text. What is not in it belongs to somebody else, whatever it is
called; links are not written through.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.reading import read_text
from sccan.files.structured import read_json

RECORD = ".made_by_sccan"
RESULTS = "results.json"
TESTED = {"method", "seeds", "checkpoint_digest"}
"""What the results of a test say, in every version."""
ADVICE = "choose another --out, or move it away"


class Made:
    """The files that were made in a folder.

    Attributes:
        folder: the folder.
        names: of our files, below it.
    """

    def __init__(
        self, folder: Path, *, known: Iterable[str] = (), overwrite: bool = False, advice: str = ADVICE
    ) -> None:
        """
        Args:
            folder: need not be there yet.
            known: files that are known to be ours besides.
            overwrite: files that are not ours may be replaced.
            advice: what a refusal says that can be done.

        Raises InputError: the record is a link, or no record of ours.
        """
        self.folder, self.overwrite, self.advice = folder, overwrite, advice
        self._record = folder / RECORD
        require_no_link(self._record)
        self.names = set(_read(self._record)) if self._record.exists() else set()
        self._unrecorded = set(known) - self.names
        self.names |= self._unrecorded

    def require(self, names: Iterable[str]) -> None:
        """Checks that files may be written, before any of them is.

        Raises InputError: one is somebody else's, a folder, or behind a link.
        """
        for name in names:
            self._checked(name)

    def require_folder(self, name: str) -> None:
        """Raises InputError: what is to be a sub-folder of ours is a link or a file."""
        path = self.folder / name
        require_no_link(path)
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file where a folder is to be; choose another --out")

    def claim(self, name: str) -> Path:
        """The path of a file that is about to be written, noted as ours.

        Raises InputError: see `require`, or the record cannot be written.
        """
        (path,) = self.claim_all([name])
        return path

    def claim_all(self, names: Iterable[str]) -> list[Path]:
        """The paths of files that are about to be written, noted as ours; see `claim`."""
        paths = {name: self._checked(name) for name in names}
        if new := {name for name in paths if name not in self.names or name in self._unrecorded}:
            new |= self._unrecorded  # all that was known before there was a record
            self.names |= new
            self._unrecorded.clear()
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                handle = os.open(self._record, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
                with os.fdopen(handle, "w", encoding="ascii") as record:
                    record.write("".join(f"{json.dumps(name)}\n" for name in sorted(new)))
            except OSError as error:
                raise InputError(f"cannot write {self._record}: {error.strerror}; choose another folder") from error
        return list(paths.values())

    def clear(self, below: str) -> int:
        """Removes what we made in a sub-folder, and its folders that are empty then.

        Returns:
            How many files were removed.

        Raises InputError: a link leads out of the folder, or a file cannot be removed.
        """
        mine = sorted(name for name in self.names if PurePosixPath(name).parts[:1] == (below,))
        removed = 0
        try:
            for name in mine:
                path = self._checked(name)
                if path.exists():
                    path.unlink()
                    removed += 1
            for place in sorted(
                {self.folder / parent for name in mine for parent in PurePosixPath(name).parents}, reverse=True
            ):
                if place != self.folder and place.is_dir() and not any(place.iterdir()):
                    place.rmdir()
        except OSError as error:
            raise InputError(f"cannot clear {self.folder / below}: {error.strerror}; remove it yourself") from error
        return removed

    def _checked(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise InputError(
                f"the result {plain(name)!r} would lie outside of {self.folder}; rename the picture or class"
            )
        path = self.folder.joinpath(*parts)
        for place in [*reversed(path.parents[: len(parts) - 1]), path]:
            require_no_link(place)
        if path.is_dir():
            raise InputError(f"{path} is a folder where a result is to be written; choose another --out")
        if path.exists() and name not in self.names and not self.overwrite:
            raise InputError(f"{path} is there and no result of this command; {self.advice}")
        return path


def made_before(folder: Path, names: Iterable[str], is_ours: Callable[[Path], bool], **options: Any) -> Made:
    """Files that are to be written, some of which an earlier version, which kept no record, may have written.

    Args:
        names: of all of them.
        is_ours: whether an earlier version has written into the folder; asked where there is no record.
        options: see `Made`.

    Raises InputError: one of them is there and not ours; see `Made.require`.
    """
    names = list(names)
    made = Made(folder, known=names if not (folder / RECORD).exists() and is_ours(folder) else (), **options)
    made.require(names)
    return made


def made_beside(path: Path, option: str) -> Made:
    """Which files are ours in the folder of a single file that is to be written.

    Args:
        option: that names the file, for instance ``--json``.

    Raises InputError: it is there and not ours, or behind a link.
    """
    made = Made(path.parent, advice=f"choose another {option}, or move it away")
    made.require([path.name])
    return made


def remove_unused(folder: Path) -> None:
    """Removes a folder in which nothing was made, the record alone not counted."""
    with contextlib.suppress(OSError):
        if os.listdir(folder) == [RECORD]:
            (folder / RECORD).unlink()
        folder.rmdir()


def holds_test(folder: Path) -> bool:
    """Whether a folder holds the results of a test, in whichever version."""
    return says(folder / RESULTS, lambda found: found.keys() >= TESTED)


def says(path: Path, test: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether a JSON file is there and passes a test."""
    try:
        return path.is_file() and test(read_json(path, dict[str, Any], "record"))
    except InputError:
        return False


def require_no_link(path: Path) -> None:
    """Raises InputError: it is a link."""
    if path.is_symlink():
        raise InputError(
            f"{path} is a link, and results are not written through links; remove it, or choose another --out"
        )


def _read(record: Path) -> list[str]:
    lines = read_text(record, "record").split("\n")
    try:
        names = [json.loads(line) for line in lines[:-1] if line]  # a killed process leaves half a line
    except ValueError as error:
        raise InputError(f"{record} is no record of sccan's; choose another --out, or remove it") from error
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{record} is no record of sccan's; choose another --out, or remove it")
    return names
