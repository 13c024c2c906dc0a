"""A cache that knows the future: which entry is needed last of all, and which will never be needed again.

The plan of an evaluation is known before it begins, so the entry to drop is always the one whose next use lies
farthest ahead (Belady's rule), and the misses can be foretold and loaded in advance.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class FutureCache(Generic[Entry]):
    """Entries by number, within a budget.

    In each turn: ask with `get`, then call `settle`, then `put` what was missing.

    Args:
        needs: numbers needed in every turn, each at most once per turn.
        budget: largest sum of the entries' sizes.
    """

    def __init__(self, needs: Sequence[Sequence[int]], budget: float) -> None:
        self._needs, self._budget, self._used = needs, budget, 0.0
        self._turns: defaultdict[int, deque[int]] = defaultdict(deque)
        for turn, numbers in enumerate(needs):
            for number in numbers:
                self._turns[number].append(turn)
        self._entries: dict[int, tuple[Entry, float]] = {}
        self._order: list[tuple[int, int]] = []  # heap of (-next turn, number); outdated pairs are passed over

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    @property
    def used(self) -> float:
        """Sum of the sizes of what is kept."""
        return self._used

    def get(self, number: int) -> Entry | None:
        """The entry, if it is here."""
        return self._entries[number][0] if number in self._entries else None

    def settle(self, turn: int) -> None:
        """Ends a turn: what it used is wanted later next, or is dropped."""
        for number in self._needs[turn]:
            if number in self._entries:
                following = self._next_turn(number, turn)
                if following is None:
                    self._drop(number)
                else:
                    heapq.heappush(self._order, (-following, number))

    def put(self, number: int, entry: Entry, size: float, turn: int) -> None:
        """Keeps an entry that was used in `turn`, if there is room for it until its next use."""
        following = self._next_turn(number, turn)
        if following is None or number in self._entries:
            return
        self._entries[number] = entry, size
        self._used += size
        heapq.heappush(self._order, (-following, number))
        while self._used > self._budget:
            negative, farthest = heapq.heappop(self._order)
            if farthest in self._entries and self._turns[farthest][0] == -negative:
                self._drop(farthest)

    def _next_turn(self, number: int, turn: int) -> int | None:
        turns = self._turns[number]
        while turns and turns[0] <= turn:
            turns.popleft()
        return turns[0] if turns else None

    def _drop(self, number: int) -> None:
        _, size = self._entries.pop(number)
        self._used -= size


def foretell_misses(needs: Sequence[Sequence[int]], capacity: int) -> list[list[int]]:
    """The numbers that a cache with room for `capacity` entries of one size will miss in every turn."""
    cache: FutureCache[None] = FutureCache(needs, capacity)
    misses = []
    for turn, numbers in enumerate(needs):
        missing = [number for number in numbers if number not in cache]
        misses.append(missing)
        cache.settle(turn)
        for number in missing:
            cache.put(number, None, 1, turn)
    return misses
