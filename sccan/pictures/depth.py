"""How deep the samples of a picture are: what has more than 8 bits becomes 8, and how that was done is said.

Cameras and microscopes keep 10, 12 or 14 bits in 16. Which it is stands in the file (a PNG's sBIT, a TIFF's
MaxSampleValue), or is told by the largest value: the smallest of 8, 10, 12, 14 and 16 bits that holds it.
"""

from __future__ import annotations

import numpy as np

from sccan.errors import InputError

DEPTHS = (8, 10, 12, 14, 16)


def eight_bits(values: np.ndarray, title: str, *, stated: int = 0) -> tuple[np.ndarray, str]:
    """Samples of any type as uint8 of the same shape, and a note of how they were stretched; empty: as they stand.

    Fractions are taken as 0 to 1 where none is larger, else as whole numbers.

    Args:
        values: [h, w] or [h, w, C], without opacity.
        title: what the picture is called in messages.
        stated: bits that the file says are in use; 0: it says nothing.

    Raises InputError: values that are no colours: negative, infinite, no number, or of more than 16 bits.
    """
    if values.dtype == np.uint8:
        return values, ""
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), ""
    kind = "fractions (float)" if values.dtype.kind == "f" else "values"
    if values.dtype.kind not in "iuf":
        raise InputError(f"{title} holds samples of type {values.dtype}, which are no colours; convert it to 8 bits")
    lowest, highest = float(values.min()), float(values.max())
    if not (np.isfinite(lowest) and np.isfinite(highest) and lowest >= 0 and highest <= 0xFFFF):
        raise InputError(
            f"{title} holds {kind} from {lowest:g} to {highest:g}, which are no colours; convert it to 8 bits"
        )
    if values.dtype.kind == "f" and highest <= 1:
        return np.rint(values * 255).astype(np.uint8), "fractions (float) from 0 to 1, stretched to 8 bits"
    bits = max(stated, next(depth for depth in DEPTHS if highest < 2**depth)) if stated else _told_by(highest)
    small = (values.astype(np.uint16) >> (bits - 8)).astype(np.uint8) if bits > 8 else values.astype(np.uint8)
    where = "fractions (float)" if values.dtype.kind == "f" else f"{8 * values.dtype.itemsize}"
    if bits == 16 and values.dtype == np.uint16:
        return small, ""
    return small, f"{bits} bits in {where}, stretched to 8"


def _told_by(highest: float) -> int:
    return next(depth for depth in DEPTHS if highest < 2**depth)


def opacity_of(values: np.ndarray) -> np.ndarray:
    """Opacity of any depth as uint8: integers by their type's range, fractions from 0 to 1."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        return np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    return (values.astype(np.uint16) >> 8).astype(np.uint8)
