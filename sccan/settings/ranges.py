"""What a setting may be, beside its default: a group of settings keeps the range of every value that is given one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from sccan.errors import InputError

MANY = 10**9
"""More than any training or test has of anything."""
LONGEST = 4096
"""Characters of a setting that is text."""


@dataclass(frozen=True)
class Ranged:
    """A default with the smallest and the largest value that a setting may have; of a list, that its items may have.

    Attributes:
        default: int, float or tuple; its type is the setting's.
        low: smallest value.
        high: largest value.
        above: whether `low` itself is left out.
        lengths: how many items a list may have.
        whole: whether a list's items are whole numbers.
        rising: whether a list's items must not get smaller.
        distinct: whether no item may stand twice.
    """

    default: Any
    low: float
    high: float
    above: bool = False
    lengths: tuple[int, int] = (0, 0)
    whole: bool = True
    rising: bool = False
    distinct: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raises InputError: a value, of the right type, is outside the range."""
        if not isinstance(self.default, tuple):
            self._check_item(name, value)
            return
        shortest, longest = self.lengths
        if not shortest <= len(value) <= longest and not (value == self.default == ()):
            number = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            raise InputError(f"{name} has {len(value)} items, expected {number}")
        for item in value:
            self._check_item(f"an item of {name}", item)
        if self.rising and list(value) != sorted(value):
            raise InputError(f"{name} is {list(value)}, but its items must not get smaller")
        if self.distinct and len(set(value)) < len(value):
            raise InputError(f"{name} is {_short(list(value))}, but the same seed counts once; name it once")

    def _check_item(self, name: str, item: Any) -> None:
        kind = int if self.whole and not isinstance(self.default, float) else (int, float)
        if isinstance(item, bool) or not isinstance(item, kind):
            raise InputError(f"{name} is {_short(item)}, expected a {'whole ' * (kind is int)}number")
        if not (self.low < item if self.above else self.low <= item) or not item <= self.high:
            bound = "above" if self.above else "from"
            raise InputError(f"{name} is {_short(item)}, expected {bound} {self.low:g} to {self.high:g}")


def whole(default: int, low: int, high: int = MANY) -> Any:
    """A whole number and its range."""
    return Ranged(default, low, high)


def number(default: float, low: float, high: float, *, above: bool = False) -> Any:
    """A number and its range, without `low` itself where it must lie above."""
    return Ranged(default, low, high, above=above, whole=False)


def share(default: float) -> Any:
    """A part of a whole, 0 to 1."""
    return number(default, 0, 1)


def seeds(default: tuple[int, ...]) -> Any:
    """Seeds of generators, each of them once."""
    return Ranged(default, 0, 2**32 - 1, lengths=(0, 1000), distinct=True)


def several(default: tuple[int, ...], low: int, high: int, lengths: tuple[int, int]) -> Any:
    """A list of whole numbers: the range of each, and how many there may be (also none, where that is the default)."""
    return Ranged(default, low, high, lengths=lengths)


def numbers(
    default: tuple[float, ...], low: float, high: float, lengths: tuple[int, int], *, rising: bool = False
) -> Any:
    """A list of numbers, likewise."""
    return Ranged(default, low, high, lengths=lengths, whole=False, rising=rising)


class Node(CfgNode):
    """A group of settings; of a value that is set with its range, the default becomes the value."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Ranged):
            self.__dict__.setdefault("ranges", {})[name] = value
            value = value.default
        super().__setattr__(name, value)

    def check(self, key: str, name: str) -> None:
        """Looks at the value of a setting.

        Args:
            name: its dotted name, for the message.

        Raises InputError: it is outside its range, or text that no setting has.
        """
        value, ranged = self[key], self.__dict__.get("ranges", {}).get(key)
        if ranged is not None:
            ranged.check(name, value)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and (len(text) > LONGEST or not text.isprintable()):
                raise InputError(f"{name} is {_short(text)}, expected plain text of at most {LONGEST} characters")
            if not isinstance(text, str | int | float):
                raise InputError(f"{name} holds {_short(text)}, expected plain values")


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1e15:
        return f"{'-' * (value < 0)}1e{int(math.log10(abs(value)))}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
