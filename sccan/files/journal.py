"""What a long piece of work has finished, so that the same command goes on where it was interrupted.

One JSON line per finished item, behind a first line of facts under which all of them were made. A line that a killed
process left unfinished is dropped.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sccan.errors import InputError
from sccan.files.alone import FolderLock
from sccan.files.reading import read_bytes
from sccan.files.structured import parse_json, shown
from sccan.files.writing import ADVICE, remove_partial

Record = dict[str, Any]


class Journal:
    """Finished items by name.

    Attributes:
        records: what was noted of every item, by name, in the order in which they were finished.
    """

    def __init__(
        self,
        path: Path,
        facts: Mapping[str, Any],
        *,
        formerly: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Opens the journal, or begins one, and keeps other processes out until it is closed.

        Args:
            path: of the file; its folder is made.
            facts: plain data that all items depend on.
            formerly: the same facts as an earlier version put them; what was begun under them goes on.
            overwrite: begin anew where the facts are others.

        Raises InputError: another process has it, it was made under other facts, or it cannot be written.
        """
        self.path = path
        self.records: dict[str, Record] = {}
        wanted, older = (json.loads(json.dumps(dict(one))) for one in (facts, facts if formerly is None else formerly))
        self._lock = FolderLock(path.parent)
        try:
            found, size = self._read()
            same = found in (wanted, older)
            if found is not None and not same and not overwrite:
                raise InputError(
                    f"{path.parent} holds results made otherwise: {_difference(found, wanted)}; choose "
                    "another folder, or replace them with --overwrite"
                )
            remove_partial(path.parent)
            self._file: IO[str] = path.open("a", encoding="utf-8")
            self._file.truncate(size if same else 0)
            if not same:
                self.records = {}
                self._append(wanted)
        except OSError as error:
            self._lock.close()
            advice = ADVICE.get(error.errno or 0, "choose another folder")
            raise InputError(f"cannot write {path}: {error.strerror}; {advice}") from error
        except BaseException:
            self._lock.close()
            raise

    def add(self, name: str, record: Record) -> None:
        """Notes an item as finished."""
        self.records[name] = record
        self._append({"name": name, **record})

    def close(self) -> None:
        """Lets others use the folder."""
        with contextlib.suppress(OSError):  # what a full disk did not take has been told
            self._file.close()
        self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> tuple[Record | None, int]:
        """The facts, None where there are none yet, and the bytes of all whole lines; the records are kept."""
        if not self.path.exists():
            return None, 0
        content = read_bytes(self.path, "journal")
        whole = content[: content.rfind(b"\n") + 1]  # a killed process leaves half a line
        entries: list[Record] = []
        for number, line in enumerate(whole.splitlines(), 1):
            place = f"{self.path}, line {number}"
            try:
                entries.append(parse_json(line, dict[str, Any], place))
                if number > 1:
                    name = entries[-1].pop("name", None)
                    if not isinstance(name, str):
                        raise InputError(f"{place}: name: expected text, found {shown(name)}")
                    self.records[name] = entries[-1]
            except InputError as error:
                raise InputError(f"{error}; the file is damaged: remove it, and start with --overwrite") from error
        return (entries[0] if entries else None), len(whole)

    def _append(self, entry: Record) -> None:
        line = json.dumps(entry) + "\n"  # ASCII: half a line is never half a character
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            advice = ADVICE.get(error.errno or 0, "choose another folder")
            raise InputError(f"cannot write {self.path}: {error.strerror}; {advice}") from error


def _difference(found: Record, wanted: Record) -> str:
    """The first fact that differs, and how many others do."""
    names = [name for name in (*wanted, *found) if found.get(name) != wanted.get(name)]
    name = names[0]
    others = len(set(names)) - 1
    more = f" and {others} more" if others else ""
    return f"{name} was {shown(found.get(name))} and is {shown(wanted.get(name))}{more}"
