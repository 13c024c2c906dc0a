"""What a long piece of work has finished, so that the same command goes on where it was interrupted.

One JSON line per finished item, behind a first line of facts under which all of them were made. A line that a killed
process left unfinished is dropped.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sccan.errors import InputError

Record = dict[str, Any]


class Journal:
    """Finished items by name.

    Attributes:
        records: what was noted of every item, by name, in the order in which they were finished.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Opens the journal, or begins one, and keeps other processes out until it is closed.

        Args:
            path: of the file; its folder is made.
            facts: plain data that all items depend on.
            overwrite: begin anew where the facts are others.

        Raises InputError: another process has it, it was made under other facts, or it cannot be written.
        """
        self.path = path
        self.records: dict[str, Record] = {}
        wanted = json.loads(json.dumps(dict(facts)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
        try:
            self._take()
            found = self._read()
            if found is not None and found != wanted and not overwrite:
                raise InputError(
                    f"{path.parent} holds results made otherwise: {_difference(found, wanted)}; choose "
                    "another folder, or replace them with --overwrite"
                )
            if found != wanted:
                self.records = {}
                self._file.truncate(0)
                self._append(wanted)
        except InputError:
            self._file.close()
            raise

    def add(self, name: str, record: Record) -> None:
        """Notes an item as finished."""
        self.records[name] = record
        self._append({"name": name, **record})

    def close(self) -> None:
        """Lets others use the file."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process works on {self.path.parent}; wait for it, or choose another folder"
            ) from error

    def _read(self) -> Record | None:
        """The facts, None where there are none yet; the records are kept."""
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):
            os.truncate(self.path, len(whole.encode()))
        lines = whole.splitlines()
        try:
            entries = [json.loads(line) for line in lines]
            self.records = {entry.pop("name"): entry for entry in entries[1:]}
        except (ValueError, KeyError, AttributeError) as error:
            raise InputError(f"{self.path} is damaged ({error}); remove it, and start with --overwrite") from error
        return entries[0] if entries else None

    def _append(self, entry: Record) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(entry) + "\n")  # ASCII: half a line is never half a character
        self._file.flush()


def _difference(found: Record, wanted: Record) -> str:
    """The first fact that differs, and how many others do."""
    names = [name for name in (*wanted, *found) if found.get(name) != wanted.get(name)]
    name = names[0]
    others = len(set(names)) - 1
    more = f" and {others} more" if others else ""
    return f"{name} was {found.get(name)} and is {wanted.get(name)}{more}"
