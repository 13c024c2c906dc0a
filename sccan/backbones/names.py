"""Where published parameter names meet ours: one table per method."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import Tensor

from sccan.errors import InputError


class NameTable:
    """Pairs of name beginnings, published and ours; ``{}`` stands for a number that both sides share, in order.

    A name that no entry fits stays as it is, so that a table says only what differs, names that are ours already pass
    unchanged, and a strict load reports what is foreign.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *, doubled: Iterable[str] = ()) -> None:
        """
        Args:
            pairs: see above; the first entry that fits a name decides.
            doubled: beginnings of published names to leave out: they repeat a tensor which stands under another name
                as well, or the published code never uses them.
        """
        self.pairs, self.doubled = tuple(pairs), tuple(doubled)

    def ours(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state under our names, doubled entries left out.

        Raises InputError: two parameters would have one name, as in a file that mixes published names with ours.
        """
        single = {name: value for name, value in state.items() if not name.startswith(self.doubled)}
        return _rename(single, self.pairs)

    def published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state under its published names."""
        return _rename(state, [(ours, published) for published, ours in self.pairs])


def _rename(state: dict[str, Tensor], pairs: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    rules = [(re.compile(re.escape(old).replace(r"\{\}", r"(\d+)")), new) for old, new in pairs]
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            if match := pattern.match(name):
                name = replacement.format(*match.groups()) + name[match.end() :]
                break
        if name in renamed:
            raise InputError(f"two parameters would both be named {name}; the file mixes names of two kinds")
        renamed[name] = value
    return renamed
