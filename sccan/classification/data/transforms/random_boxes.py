"""Random rectangles of whole batches: torchvision's random resized crop, and CAN's random erasing.

Both are rules of rejection: area and ratio are drawn until the rectangle fits. Here a batch is drawn together, from
uniform numbers in [0, 1) that the caller brings. Letters: n pictures.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

CROP_TRIES = 10
ERASE_TRIES = 100
ERASED_AREA = (0.02, 0.4)
ERASED_RATIO = (0.3, 1 / 0.3)


def resized_crops(
    sizes: np.ndarray, uniform: np.ndarray, scale: tuple[float, float], ratio: tuple[float, float]
) -> np.ndarray:
    """Parts of pictures that torchvision's random resized crop would choose.

    Area uniform in `scale` of the picture, ratio of width to height log-uniform in `ratio`, and of ten tries the first
    that fits into the picture; else the largest part of the middle whose ratio is allowed.

    Args:
        sizes: heights and widths, [n, 2].
        uniform: numbers in [0, 1), [n, 22].

    Returns:
        Row, column, height and width, int64 [n, 4].
    """
    height, width = sizes[:, :1], sizes[:, 1:]
    area = height * width * _between(uniform[:, :CROP_TRIES], scale)
    wide = np.exp(_between(uniform[:, CROP_TRIES : 2 * CROP_TRIES], (math.log(ratio[0]), math.log(ratio[1]))))
    columns, rows = np.rint(np.sqrt(area * wide)), np.rint(np.sqrt(area / wide))  # [n, tries]
    fits = (columns > 0) & (columns <= width) & (rows > 0) & (rows <= height)
    first = fits.argmax(1)[:, None]
    rows, columns = (np.take_along_axis(sides, first, 1)[:, 0] for sides in (rows, columns))
    some, tall, broad = fits.any(1), sizes[:, 0], sizes[:, 1]
    whole_rows = np.where(broad < ratio[0] * tall, np.rint(broad / ratio[0]), tall)
    whole_columns = np.where(broad > ratio[1] * tall, np.rint(tall * ratio[1]), broad)
    rows, columns = np.where(some, rows, whole_rows), np.where(some, columns, whole_columns)
    place = uniform[:, 2 * CROP_TRIES :]
    top = np.where(some, np.floor(place[:, 0] * (tall - rows + 1)), (tall - rows) // 2)
    left = np.where(some, np.floor(place[:, 1] * (broad - columns + 1)), (broad - columns) // 2)
    return np.stack([top, left, rows, columns], 1).astype(np.int64)


def erased_boxes(
    size: tuple[int, int], place: np.ndarray, tries: Callable[[], np.ndarray], wanted: np.ndarray
) -> np.ndarray:
    """The rectangles of `erasing_box` for a batch.

    Args:
        size: height and width of the pictures.
        place: numbers in [0, 1) for the corner, [n, 2].
        tries: gives further numbers in [0, 1) for the next try of all pictures, [n, 2].
        wanted: which pictures are to be erased, bool [n].

    Returns:
        Row, column, height and width, int64 [n, 4]; all zero for none.
    """
    height, width = size
    rows, columns = np.zeros(len(wanted)), np.zeros(len(wanted))
    waiting = wanted.copy()
    for _ in range(ERASE_TRIES):
        if not waiting.any():
            break
        uniform = tries()
        area = _between(uniform[:, 0], ERASED_AREA) * height * width
        ratio = _between(uniform[:, 1], ERASED_RATIO)
        high, broad = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        taken = waiting & (high < height) & (broad < width)
        rows, columns = np.where(taken, high, rows), np.where(taken, broad, columns)
        waiting &= ~taken
    top, left = np.floor(place[:, 0] * (height - rows + 1)), np.floor(place[:, 1] * (width - columns + 1))
    boxes = np.stack([top, left, rows, columns], 1) * (wanted & ~waiting)[:, None]
    return boxes.astype(np.int64)


def erasing_box(generator: random.Random, size: tuple[int, int], probability: float = 0.5) -> tuple[int, int, int, int]:
    """The rectangle that CAN's random erasing draws with Python's generator: row, column, height and width, or zeros.

    Area uniform in [0.02, 0.4] of the picture, ratio uniform (not log-uniform) in [0.3, 1 / 0.3], and of up to 100
    tries the first that is smaller than the picture.
    """
    height, width = size
    if generator.uniform(0, 1) > probability:
        return 0, 0, 0, 0
    for _ in range(ERASE_TRIES):
        area = generator.uniform(*ERASED_AREA) * height * width
        ratio = generator.uniform(*ERASED_RATIO)
        rows, columns = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if rows < height and columns < width:
            return generator.randint(0, height - rows), generator.randint(0, width - columns), rows, columns
    return 0, 0, 0, 0


def _between(uniform: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return bounds[0] + (bounds[1] - bounds[0]) * uniform
