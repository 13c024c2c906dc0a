"""What a long piece of work has finished, so that the same command goes on where it was interrupted.

One JSON line per finished item, behind a first line of facts under which all of them were made. A line that a killed
process left unfinished is dropped. Of an item its name and the place of its line are kept in memory, so that millions
of long lines can be gone on with.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from sccan.errors import InputError
from sccan.files.alone import FolderLock
from sccan.files.reading import bounded_lines, regular_file, unreadable
from sccan.files.structured import parse_json, shown
from sccan.files.writing import ADVICE, remove_partial

Record = dict[str, Any]


class Records(Mapping[str, Record]):
    """The latest line of every item, read when it is asked for.

    Raises InputError, when a line is asked for: the file is gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._file: IO[bytes] | None = None

    def place(self, name: str, start: int) -> None:
        """Notes at which byte of the file the line of an item begins."""
        self._places[name] = start

    def clear(self) -> None:
        """Forgets all items."""
        self._places.clear()

    def close(self) -> None:
        """No record can be read any more."""
        if self._file is not None:
            self._file.close()

    def __getitem__(self, name: str) -> Record:
        start = self._places[name]
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            self._file.seek(start)
            line = self._file.readline()
        except OSError as error:
            raise unreadable(self._path, "journal", error) from error
        record: Record = msgspec.json.decode(line)
        return {key: value for key, value in record.items() if key != "name"}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Named(msgspec.Struct):
    """What is read of a line when a journal is opened; the rest is looked through."""

    name: str


class Journal:
    """Finished items by name.

    Attributes:
        records: what was noted of every item, by name, in the order in which they were begun; until it is closed.
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
        self.records = Records(path)
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
            self._size = size if same else 0
            self._file.truncate(self._size)
            if not same:
                self.records.clear()
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
        start = self._size
        self._append({"name": name, **record})
        self.records.place(name, start)

    def close(self) -> None:
        """Lets others use the folder."""
        with contextlib.suppress(OSError):  # what a full disk did not take has been told
            self._file.close()
        self.records.close()
        self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> tuple[Record | None, int]:
        """The facts, None where there are none yet, and the bytes of all whole lines, whose places are noted."""
        if not self.path.exists():
            return None, 0
        regular_file(self.path, "journal")
        facts: Record | None = None
        size = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(bounded_lines(file, f"journal {self.path}", "TEXT_MB"), 1):
                if not line.endswith(b"\n"):  # a killed process leaves half a line
                    break
                place = f"{self.path}, line {number}"
                try:
                    if number == 1:
                        facts = parse_json(line, Record, place)
                    else:
                        self.records.place(msgspec.json.decode(line, type=_Named).name, size)
                except (InputError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    told = error if isinstance(error, InputError) else f"{place}: {error}"
                    raise InputError(f"{told}; the file is damaged: remove it, and start with --overwrite") from error
                size += len(line)
        return facts, size

    def _append(self, entry: Record) -> None:
        line = json.dumps(entry) + "\n"  # ASCII: half a line is never half a character
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            advice = ADVICE.get(error.errno or 0, "choose another folder")
            raise InputError(f"cannot write {self.path}: {error.strerror}; {advice}") from error
        self._size += len(line)


def _difference(found: Record, wanted: Record) -> str:
    """The first fact that differs, and how many others do."""
    names = [name for name in (*wanted, *found) if found.get(name) != wanted.get(name)]
    name = names[0]
    others = len(set(names)) - 1
    more = f" and {others} more" if others else ""
    return f"{name} was {shown(found.get(name))} and is {shown(wanted.get(name))}{more}"
