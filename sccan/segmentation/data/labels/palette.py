"""The palette of PASCAL VOC's label images, and what it looks like to code that reads it as grey levels."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image

from sccan.episodes.index import IGNORE

VOC_LABELS = (*range(21), IGNORE)


@functools.cache
def label_palette() -> tuple[int, ...]:
    """256 colours, red green blue one after the other: the bits of a label spread over the three channels."""
    colours: list[int] = []
    for label in range(256):
        channels = [sum((label >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
        colours += channels
    return tuple(colours)


def indexed_png(labels: np.ndarray) -> bytes:
    """A label image uint8 [h, w] as a PNG of indices, with the palette that makes them visible."""
    image = Image.fromarray(labels)
    image.putpalette(label_palette())
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


@functools.cache
def voc_luminances() -> frozenset[int]:
    """Grey levels that VOC's labels (0..20 and 255) become where a palette PNG is read as grey, however rounded."""
    palette = label_palette()
    found = set()
    for label in VOC_LABELS:
        red, green, blue = palette[3 * label : 3 * label + 3]
        luminance = 0.299 * red + 0.587 * green + 0.114 * blue
        found |= {int(luminance), round(luminance)}
    return frozenset(found)
