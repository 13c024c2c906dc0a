"""Pictures as the page shows them: re-encoded, no larger than needed, with the classes as a layer of their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from sccan.files.writing import written_beside
from sccan.page.places import OURS, Gallery, require_inside
from sccan.pictures.photos import read_photo
from sccan.report.label_overlay import class_colour
from sccan.report.pictures import encode, resize_image
from sccan.report.sheets import fitted_size

SIDE = 256
"""Longer side of a thumbnail, in pixels."""
LARGEST = 2560
"""Longer side of a picture that is worked on; larger ones are shown smaller, masks keep their size."""
THUMBNAILS = "thumbnails"
OPACITY = 150


def shown(image: np.ndarray, side: int) -> np.ndarray:
    """A picture no larger than `side`."""
    if max(image.shape[:2]) <= side:
        return image
    return resize_image(image, fitted_size(image.shape, (side, side)))


def thumbnail(gallery: Gallery, key: str, image: np.ndarray | None = None) -> bytes:
    """A small JPEG, made when it is first asked for, or when the picture has changed.

    Args:
        image: the picture if it is read already.

    Raises InputError: the picture cannot be read.
    """
    source = gallery.read_path(key)
    path = require_inside(gallery.root, gallery.root / OURS / THUMBNAILS / f"{gallery.photos[key].name}.jpg")
    if is_current(path, source):
        return path.read_bytes()
    content = encode(shown(read_photo(source) if image is None else image, SIDE), "jpeg")
    with written_beside(path, durable=False) as beside:
        beside.write_bytes(content)
    return content


def is_current(made: Path, source: Path) -> bool:
    """Whether a file was made after the picture was last changed."""
    return made.is_file() and made.stat().st_mtime_ns >= source.stat().st_mtime_ns


def coloured(label: np.ndarray) -> bytes:
    """Class numbers, uint8 [h, w], as a PNG in the classes' colours, the background clear."""
    table = np.zeros((256, 4), np.uint8)
    for number in range(1, 255):
        table[number] = (*class_colour(number), OPACITY)
    table[255] = (128, 128, 128, OPACITY)
    buffer = io.BytesIO()
    Image.fromarray(table[label]).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
