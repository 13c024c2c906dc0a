"""Label maps drawn onto pictures: one colour per class, named in the picture's corner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from sccan.report.pictures import BLUE, GREEN, ORANGE, SKY, VERMILLION, YELLOW, Colour, outline, tint
from sccan.report.sheets import font

COLOURS: tuple[Colour, ...] = (ORANGE, SKY, GREEN, VERMILLION, BLUE, YELLOW)
"""Of class 1, 2, ...; after the last they begin again."""


def class_colour(number: int) -> Colour:
    """The colour of class 1, 2, ..."""
    return COLOURS[(number - 1) % len(COLOURS)]


def label_overlay(image: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """The picture with every class tinted and outlined in its colour, RGB uint8 [h, w, 3].

    Where there are several classes, the names of those that are there stand in the corner.

    Args:
        image: RGB uint8, [h, w, 3].
        labels: 0 background, 1 .. classes, [h, w].
        class_names: of classes 1, 2, ...
    """
    there = [number for number in range(1, len(class_names) + 1) if (labels == number).any()]
    drawn = image
    for number in there:
        region = labels == number
        drawn = outline(tint(drawn, region, class_colour(number), 0.5), region, class_colour(number))
    if there and len(class_names) > 1:
        drawn = _with_legend(drawn, [(class_names[number - 1], class_colour(number)) for number in there])
    return drawn.copy() if drawn is image else drawn


def _with_legend(image: np.ndarray, entries: Sequence[tuple[str, Colour]]) -> np.ndarray:
    canvas = Image.fromarray(image)
    size = max(10, round(min(image.shape[:2]) / 28))
    pen, face = ImageDraw.Draw(canvas, "RGBA"), font(size)
    breadth = max(face.getlength(name) for name, _ in entries)
    pen.rectangle((0, 0, 2.4 * size + breadth, (1.35 * len(entries) + 0.5) * size), fill=(0, 0, 0, 150))
    for line, (name, colour) in enumerate(entries):
        top = (1.35 * line + 0.4) * size
        pen.rectangle((0.5 * size, top, 1.3 * size, top + 0.8 * size), fill=colour)
        pen.text((1.7 * size, top - 0.15 * size), name, font=face, fill=(255, 255, 255))
    return np.asarray(canvas)
