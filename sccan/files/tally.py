"""What was passed over, left out, stretched or guessed: counted, so that a line says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sccan.files.plain import plain

SHOWN = 3
"""Names that a line shows."""

Note = tuple[str, str]
"""What happened, and the name of what it happened to."""


class Tally:
    """Notes of many files, a line for each thing that happened."""

    def __init__(self, notes: Iterable[Note] = ()) -> None:
        self._names: dict[str, list[str]] = {}
        self.extend(notes)

    def add(self, what: str, name: str) -> None:
        """Notes that something happened to what is called `name`."""
        self._names.setdefault(what, []).append(name)

    def extend(self, notes: Iterable[Note]) -> None:
        """Adds notes, such as those of another tally."""
        for what, name in notes:
            self.add(what, name)

    def lines(self) -> list[str]:
        """``what happened: how many times (the first names)``, in the order in which things happened first."""
        return [f"{what}: {len(names)} ({_shown(names)})" for what, names in self._names.items()]

    def __iter__(self) -> Iterator[Note]:
        for what, names in self._names.items():
            yield from ((what, name) for name in names)

    def __bool__(self) -> bool:
        return bool(self._names)


def _shown(names: list[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
