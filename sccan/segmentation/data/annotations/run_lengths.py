"""COCO's run-length codes, plain and compressed, decoded so that a wrong one is an error and never foreign memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LONGEST_CODE = 1 << 26
"""Characters of a compressed code."""


def region_of_code(code: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """The pixels of ``{"size": [h, w], "counts": ...}``, bool [h, w].

    Raises ValueError: it is for another size, or its runs are no whole numbers that add up to the picture.
    """
    stated, counts = code.get("size"), code.get("counts")
    if not isinstance(stated, list | tuple) or [_whole(one) for one in stated] != list(size):
        raise ValueError(f"a run-length code is for {_short(stated)}, the picture is {list(size)}")
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, str):
        runs: Sequence[int] = _unpacked(counts)
    elif isinstance(counts, list):
        runs = [_whole(one) for one in counts]
    else:
        raise ValueError("a run-length code has no counts")
    return runs_to_region(runs, size, by_columns=True)


def pixels_of_code(counts: str, size: tuple[int, int]) -> int:
    """How many pixels a compressed code marks. Raises ValueError: see `region_of_code`."""
    runs = _unpacked(counts)
    _check(runs, size)
    return sum(runs[1::2])


def runs_to_region(runs: Sequence[int], size: tuple[int, int], *, by_columns: bool) -> np.ndarray:
    """Runs of background and object in turn as pixels, bool [h, w].

    Raises ValueError: a run is negative, or they do not add up to the picture.
    """
    _check(runs, size)
    height, width = size
    values = np.repeat(np.arange(len(runs)) % 2 == 1, np.asarray(runs, dtype=np.int64))
    return values.reshape(width, height).T if by_columns else values.reshape(height, width)


def _check(runs: Sequence[int], size: tuple[int, int]) -> None:
    """Raises ValueError: a run is negative, or they do not add up to the picture."""
    height, width = size
    if min(runs, default=0) < 0:
        raise ValueError("a run-length code has a run below zero")
    if sum(runs) != height * width:
        raise ValueError(
            f"the runs of a run-length code add up to {_short(sum(runs))}, but the picture has {height * width} pixels"
        )


def _unpacked(text: str) -> list[int]:
    """The runs of a compressed code: five bits per character, each run from the third on less the one before last."""
    if len(text) > LONGEST_CODE:
        raise ValueError(f"a run-length code has {len(text)} characters")
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("a run-length code holds what is none")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("a run-length code ends early")
    return runs


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a run-length code has a run that is no whole number")
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError("a run-length code has a run that is no whole number") from error
    if not number.is_integer() or abs(number) > 1e12:
        raise ValueError(f"a run-length code has a run of {number:g}")
    return int(number)


def _short(value: Any) -> str:
    text = str(value) if not isinstance(value, int) or abs(value) < 10**18 else "a huge number"
    return text if len(text) < 40 else f"{text[:40]} ..."
