"""Sums over an example's anchors that a picture was compared with before: a folder that is searched again and again.

Sums over the anchors of several examples are the sums of their sums, so that a search with one example more compares
every picture with that one alone, and finds what a search from the beginning finds, to the bit.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import torch
from torch import Tensor


class KeptSums:
    """Tensors of one shape by picture and example; safe to use from several threads.

    They lie in one piece of memory, of which only what is used takes any: kept one by one among what is given back,
    they would leave holes that the system does not get again.

    Where there is no room, what earlier searches used and this one and the last did not is given up, and then nothing
    further is kept: whoever goes through a folder in order gains nothing from a memory that forgets in order.
    """

    def __init__(self, budget_bytes: int) -> None:
        """
        Args:
            budget_bytes: of the tensors.
        """
        self.budget_bytes = budget_bytes
        self._kept: dict[tuple[str, str], tuple[int, int]] = {}  # row, and the search that used it last
        self._rows = torch.empty(0)
        self._free: list[int] = []
        self._search = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def begin_search(self) -> None:
        """Another search begins."""
        with self._lock:
            self._search += 1

    def get(self, picture: str, example: str, compute: Callable[[], Tensor]) -> Tensor:
        """The sums of a picture over an example, computed where they are new.

        Args:
            picture: its `digest`.
            example: its name.
            compute: makes them.
        """
        key = picture, example
        with self._lock:
            if key in self._kept:
                row, _ = self._kept[key]
                self._kept[key] = row, self._search
                return self._rows[row].clone()
        found = compute()
        with self._lock:
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[str, str], found: Tensor) -> None:
        if not len(self._rows):
            count = self.budget_bytes // found.nbytes
            self._rows, self._free = found.new_empty(count, *found.shape), list(range(count))[::-1]
        if not self._free:
            for old in [one for one, (_, search) in self._kept.items() if search < self._search - 1]:
                self._free.append(self._kept.pop(old)[0])
        if self._free and key not in self._kept and found.shape == self._rows.shape[1:]:
            self._kept[key] = self._free.pop(), self._search
            self._rows[self._kept[key][0]] = found


def digest(*tensors: Tensor) -> str:
    """Of what is in tensors, their types and shapes."""
    made = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        made.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.contiguous().cpu().numpy().tobytes())
    return made.hexdigest()
