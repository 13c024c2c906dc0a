"""Label images as raw-index PNGs: written whole, and told apart from what a killed run left."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from sccan.files.writing import take_time, written_beside

PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_TAIL = b"\x00\x00\x00\x00IEND\xaeB`\x82"
GREY_8_BIT = b"\x08\x00"
"""Bit depth and colour type in the header of a raw-index PNG."""
LARGEST_CLASS = 254


def write_label(path: Path, label: np.ndarray, *, source: Path | None = None) -> None:
    """Writes class numbers, uint8 [H, W], as a raw-index grey PNG, whole or not at all.

    Args:
        source: the file that they were read from, whose time the label gets: made again, it is the same to whatever
            goes by the times of files; None: that of writing.

    Raises InputError: the file cannot be written.
    """
    encoded = cv2.imencode(".png", label)[1]
    with written_beside(path, durable=False) as beside:
        beside.write_bytes(encoded.tobytes())
        if source is not None:
            take_time(beside, source)


def is_finished(path: Path) -> bool:
    """Whether a label image of an earlier run is there, complete to its last bytes, as raw-index grey.

    The check of the end matters after a power cut, which may leave empty or shortened files under final names.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(26)
            stream.seek(-len(PNG_TAIL), os.SEEK_END)
            return head.startswith(PNG_HEAD) and head[24:26] == GREY_8_BIT and stream.read() == PNG_TAIL
    except OSError:
        return False
