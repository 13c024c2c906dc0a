"""Memory of a process that searches a folder again and again: what it keeps of comparisons, and what it gives back."""

from __future__ import annotations

import ctypes
import sys
import time

from sccan.method import Method
from sccan.segmentation.methods.guided_density import GuidedDensity
from sccan.segmentation.parts.kept_sums import KeptSums

KEPT_SUMS = 192 << 20
"""Bytes of what pictures were compared with: some 8000 pairs of a picture and an example, half as many where these
are aligned."""
GIVEN_BACK_EVERY = 3.0
"""Seconds after which free memory is given back to the system."""
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def keep_sums(method: Method) -> KeptSums | None:
    """Where the method keeps from now on what pictures were compared with; None: it cannot."""
    if not isinstance(method, GuidedDensity):
        return None
    method.kept = KeptSums(KEPT_SUMS)
    return method.kept


class FreeMemory:
    """What is free between what is kept goes back to the system, where the C library can do that.

    Without it a process that searches grows by half a megabyte and more with every picture.
    """

    def __init__(self) -> None:
        self._given_back = 0.0

    def give_back(self) -> None:
        """Does so, unless it was done a moment ago."""
        if _TRIM is not None and time.monotonic() > self._given_back + GIVEN_BACK_EVERY:
            _TRIM(0)
            self._given_back = time.monotonic()
