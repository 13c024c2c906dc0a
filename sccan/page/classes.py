"""The classes of a folder: numbered once and for ever, renamed and taken away without touching a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.report.label_overlay import class_colour
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS

LONGEST_NAME = 80


@dataclass(frozen=True)
class ClassEntry:
    """A class.

    Attributes:
        number: its value in masks; never given to another.
        name: what it is called.
        removed: taken away; its pixels stay in the masks and count as background, so that it can come back.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_CLASS)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
    removed: bool = False

    @property
    def colour(self) -> str:
        """As CSS writes it."""
        return "#{:02x}{:02x}{:02x}".format(*class_colour(self.number))


class ClassList:
    """The classes in the order in which they were named."""

    def __init__(self, entries: Sequence[ClassEntry] = ()) -> None:
        self.entries = list(entries)

    @property
    def active(self) -> list[ClassEntry]:
        """Those that are there."""
        return [entry for entry in self.entries if not entry.removed]

    def add(self, name: str) -> ClassEntry:
        """A new class, or one that was taken away, under this name.

        Raises InputError: the name is unfit or taken, or there are too many classes.
        """
        name = self._fit(name)
        for place, entry in enumerate(self.entries):
            if entry.name == name and entry.removed:
                self.entries[place] = replace(entry, removed=False)
                return self.entries[place]
        self._free(name)
        number = max((entry.number for entry in self.entries), default=0) + 1
        if number > LARGEST_CLASS:
            raise InputError(f"there are {LARGEST_CLASS} classes already, as many as a mask can hold")
        self.entries.append(ClassEntry(number, name))
        return self.entries[-1]

    def rename(self, number: int, name: str) -> None:
        """Raises InputError: the name is unfit or taken, or there is no such class."""
        place, name = self._place(number), self._fit(name)
        if self.entries[place].name != name:
            self._free(name)
            self.entries[place] = replace(self.entries[place], name=name)

    def remove(self, number: int) -> None:
        """Raises InputError: there is no such class."""
        place = self._place(number)
        self.entries[place] = replace(self.entries[place], removed=True)

    def number_of(self, name: str) -> int:
        """The number of a class, which is added if it is not there."""
        known = next((entry.number for entry in self.active if entry.name == name), None)
        return self.add(name).number if known is None else known

    def shown(self, label: np.ndarray) -> np.ndarray:
        """The label with classes that are not there as background; uint8, of the same shape."""
        table = np.zeros(256, np.uint8)
        table[IGNORE] = IGNORE
        for entry in self.active:
            table[entry.number] = entry.number
        return table[label]

    def consecutive(self, label: np.ndarray) -> np.ndarray:
        """The label with 1, 2, ... for the active classes in their order, as exports number them."""
        table = np.zeros(256, np.uint8)
        table[IGNORE] = IGNORE
        for number, entry in enumerate(self.active, 1):
            table[entry.number] = number
        return table[label]

    def plain(self) -> list[dict[str, Any]]:
        """As plain data."""
        return [asdict(entry) for entry in self.entries]

    def _place(self, number: int) -> int:
        for place, entry in enumerate(self.entries):
            if entry.number == number and not entry.removed:
                return place
        raise InputError("there is no such class any more; it was taken away in another window")

    def _fit(self, name: str) -> str:
        name = " ".join(name.split())
        if not name or not name.isprintable():
            raise InputError("a class needs a name of printable characters, such as dog")
        if len(name) > LONGEST_NAME:
            raise InputError(f"a name of {len(name)} characters is too long; use at most {LONGEST_NAME}")
        return name

    def _free(self, name: str) -> None:
        if any(entry.name == name for entry in self.active):
            raise InputError(f"there is a class {name!r} already; choose another name")
