"""Records that are too many for memory: on the disk while they are worked on, and gone with the process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any


class Spool(Iterable[Any]):
    """Plain data, added one after another, then walked through from the first on, by one reader at a time.

    Its file has no name: nothing is left of it, however the process ends.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: on whose disk it lies; made if missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def add(self, record: Any) -> None:
        """Adds what JSON can say; before the first walk."""
        self._file.write(json.dumps(record).encode("ascii") + b"\n")

    def __iter__(self) -> Iterator[Any]:
        self._file.seek(0)
        yield from map(json.loads, self._file)

    def close(self) -> None:
        """Gives the disk back."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
