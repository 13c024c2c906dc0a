"""Pictures of bytes, made of drawn ones as the sentence of an input says."""

from __future__ import annotations

import re

import numpy as np

from sccan.reference.stated import matched

OFFSET_FIRST = r"round\(([\d.]+) ?\+ ?([\d.]+) ?\*"
"""``round(128 + 50 * image(...))``."""
FACTOR_FIRST = r"(?:rint|round)\(([\d.]+) ?\*.*?\+ ?([\d.]+)\)"
"""``rint(40 * image(...) + 120)``, ``round(40*drawn+128)``."""


def byte_picture(drawn: np.ndarray, sentence: str, what: str) -> np.ndarray:
    """Drawn values [..., C, H, W], scaled, shifted, rounded and cut to bytes [..., H, W, C].

    Args:
        drawn: values around 0.
        sentence: states factor and offset.
        what: what an error calls it.

    Raises InputError: it states none.
    """
    if found := re.search(OFFSET_FIRST, sentence):
        offset, factor = (float(number) for number in found.groups())
    else:
        factor, offset = (float(number) for number in matched(FACTOR_FIRST, sentence, what).groups())
    values = np.clip(np.rint(factor * drawn + offset), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(values, -3, -1))
