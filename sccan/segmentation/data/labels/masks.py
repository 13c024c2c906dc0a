"""What a label image becomes: the mask of one class, labels of the base classes, bounding boxes.

All of it by lookup tables of 256 entries, on the fly; no second copy of a data set on disk.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sccan.episodes.index import IGNORE


def class_mask(label: np.ndarray, number: int) -> np.ndarray:
    """1 where the label is class `number`, 255 where it is 255, else 0; uint8 of the label's shape."""
    table = np.zeros(256, np.uint8)
    table[number] = 1
    table[IGNORE] = IGNORE
    return table[label]


def base_label_table(base_classes: Sequence[int]) -> np.ndarray:
    """Lookup table for training a classifier of the base classes, uint8 [256].

    Base class c becomes its position + 1, every other class 0, background, as in BAM's base training; 255 stays 255.

    Args:
        base_classes: class numbers, ascending.
    """
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for position, number in enumerate(base_classes, 1):
        table[number] = position
    return table


def boxed_mask(mask: np.ndarray) -> np.ndarray:
    """A mask in {0, 1, 255} whose foreground is replaced by the bounding boxes of its parts, uint8.

    As published: every 8-connected component becomes a filled rectangle from (x, y) to (x + w, y + h), both ends
    inclusive and hence one pixel too large to the right and below; pixels of 255 stay 255.
    """
    boxes = np.zeros(mask.shape, np.uint8)
    count, _, statistics, _ = cv2.connectedComponentsWithStats((mask == 1).astype(np.uint8), connectivity=8)
    for part in range(1, count):  # part 0 is the background
        x, y, width, height = statistics[part, :4]
        boxes[y : y + height + 1, x : x + width + 1] = 1
    boxes[mask == IGNORE] = IGNORE
    return boxes
