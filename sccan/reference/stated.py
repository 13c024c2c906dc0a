"""What a reference case states, and whether anything here reads it."""

from __future__ import annotations

import re
from typing import Any

from sccan.errors import InputError


class Stated(dict[str, Any]):
    """The settings of a case, which remember which of them were read.

    Whoever computes a case takes a setting by its name, and it then decides something; or says of it that only some
    values are computed here (`only`, `like`), that it must agree with the inputs (`agree`), or that it decides nothing
    (`aside`). A value that nobody thought of is told beside the numbers, which decide whether the case is right.

    Attributes:
        source: what an error calls the case.
        read: names that were asked for.
        doubts: name of a setting that is not computed as stated -> what is computed.
    """

    def __init__(self, values: dict[str, Any], source: str) -> None:
        super().__init__(values)
        self.source = source
        self.read: set[str] = set()
        self.doubts: dict[str, str] = {}

    def __getitem__(self, name: str) -> Any:
        """Raises InputError: the case does not state it."""
        self.read.add(name)
        if name not in self:
            raise InputError(f"{self.source} states no {name}, which it cannot be computed without")
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def only(self, **known: Any) -> None:
        """Settings of which one value is computed here, or those of a tuple; they may be left out."""
        for name, values in known.items():
            values = values if isinstance(values, tuple) else (values,)
            if name in self and self[name] not in values:
                expected = " or ".join(map(repr, values))
                self.doubts[name] = f"states {name} {self[name]!r}, but only {expected} is computed here"

    def like(self, **patterns: str) -> None:
        """Settings that are sentences, in which a regular expression should be found; they may be left out."""
        for name, pattern in patterns.items():
            if name in self and re.search(pattern, str(self[name])) is None:
                self.doubts[name] = f"{name} reads {self[name]!r}, in which nothing like {pattern} is found"

    def agree(self, **found: Any) -> None:
        """Settings that the inputs or weights say again; they may be left out."""
        for name, value in found.items():
            if name in self and self[name] != value:
                self.doubts[name] = f"states {name} {self[name]!r}, but what it is given has {value!r}"

    def aside(self, *names: str) -> None:
        """Settings that decide no number here."""
        self.read.update(names)

    @property
    def unread(self) -> list[str]:
        """What nobody asked for."""
        return sorted(set(self) - self.read)


def matched(pattern: str, text: str, what: str) -> re.Match[str]:
    """The first place of a sentence that a regular expression fits.

    Raises InputError: there is none; `what` is what the line calls the sentence.
    """
    found = re.search(pattern, text)
    if found is None:
        raise InputError(f"{what} reads {text!r}, in which nothing like {pattern} is found")
    return found
