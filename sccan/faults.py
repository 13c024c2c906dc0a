"""Faults that devices bring: too little memory, and a device that is gone; what can go on goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Piece = TypeVar("Piece")
Result = TypeVar("Result")

WANT = (
    "OutOfMemoryError", "MemoryError", "out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED",
)  # fmt: skip
"""What the name or the text of an error holds that means too little memory."""
LOST = (
    "unspecified launch failure", "launch timed out", "no CUDA-capable device", "busy or unavailable", "ECC error",
    "device is lost", "GPU is lost", "device has been lost", "fallen off the bus", "driver shutting down",
    "CUDA error: unknown error", "hardware stack error", "driver error",
)  # fmt: skip
"""Of one that means a device that does not answer any more; nothing of this process can use it again."""


def is_want_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory, of a device or of this machine, does not suffice."""
    return any(sign in f"{type(error).__name__}: {error}" for sign in WANT)


def is_lost_device(error: BaseException) -> bool:
    """Whether an error means that a device does not answer any more."""
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)


class InHalves:
    """Pieces that are computed together, as many of them as the memory of a device holds.

    Where it holds too few, the same pieces are computed in halves, which is said once, and so are all that follow.

    Attributes:
        most: pieces at once; 0: as many as come.
    """

    def __init__(self, device: Any, what: str) -> None:
        """
        Args:
            device: torch's, which is said.
            what: the pieces are, which is said: ``pictures``.
        """
        self.device, self.what, self.most = device, what, 0

    def __call__(self, compute: Callable[[Sequence[Piece]], Result], pieces: Sequence[Piece]) -> list[Result]:
        """What `compute` makes of the pieces, in their order: a result for all of them, or for as many as fit.

        Raises RuntimeError: of `compute`, also where the memory does not hold a single piece.
        """
        results: list[Result] = []
        done = 0
        while done < len(pieces):
            some = pieces[done : done + (self.most or len(pieces))]
            try:
                results.append(compute(some))
                done += len(some)
            except (RuntimeError, MemoryError) as error:
                if not is_want_of_memory(error) or len(some) == 1:
                    raise
                most = len(some) // 2
            else:
                continue
            # Here, where the error and all that it holds are gone.
            self._go_on_with(most, len(some))
        return results

    def _go_on_with(self, most: int, tried: int) -> None:
        import torch

        if not self.most or most < self.most:
            self.most = most
            logger.warning(
                "the memory of %s does not hold %d %s at once; going on with %d", self.device, tried, self.what, most
            )
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()
