"""Sums over an example's anchors that a picture was compared with before: a folder that is searched again and again.

Sums over the anchors of several examples are the sums of their sums, so that a search with one example more compares
every picture with that one alone, and finds what a search from the beginning finds, to the bit.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from torch import Tensor


class KeptSums:
    """Tensors by picture and example; safe to use from several threads.

    Where there is no room, what earlier searches used and this one and the last did not is given up, and then nothing
    further is kept: whoever goes through a folder in order gains nothing from a memory that forgets in order.
    """

    def __init__(self, budget_bytes: int) -> None:
        """
        Args:
            budget_bytes: of the tensors.
        """
        self.budget_bytes = budget_bytes
        self._kept: dict[tuple[str, str], tuple[Tensor, int]] = {}
        self._used = self._search = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def begin_search(self) -> None:
        """Another search begins."""
        with self._lock:
            self._search += 1

    def get(self, picture: str, example: str, compute: Callable[[], Tensor]) -> Tensor:
        """The sums of a picture over an example, computed where they are new; not to be written into.

        Args:
            picture: its `digest`.
            example: its name.
            compute: makes them.
        """
        key = picture, example
        with self._lock:
            if key in self._kept:
                found = self._kept[key][0]
                self._kept[key] = found, self._search
                return found
        found = compute()
        with self._lock:
            if self._used + found.nbytes > self.budget_bytes:
                self._forget()
            if key not in self._kept and self._used + found.nbytes <= self.budget_bytes:
                self._kept[key] = found, self._search
                self._used += found.nbytes
        return found

    def _forget(self) -> None:
        old = [key for key, (_, search) in self._kept.items() if search < self._search - 1]
        for key in old:
            self._used -= self._kept.pop(key)[0].nbytes


def digest(*tensors: Tensor) -> str:
    """Of what is in tensors, their types and shapes."""
    made = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        made.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.contiguous().cpu().numpy().tobytes())
    return made.hexdigest()
