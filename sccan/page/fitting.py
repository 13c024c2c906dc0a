"""A box that fits itself to the object inside: OpenCV's GrabCut, or an ONNX pair of SAM's kind.

GrabCut: Rother, Kolmogorov and Blake, SIGGRAPH 2004, as `cv2.grabCut` has it.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from sccan.report.pictures import resize_image

MARGIN = 0.25
"""Of the box's longer side, around it: what GrabCut learns the background from."""
LARGEST = 256
"""Longer side at which GrabCut works, in pixels."""
ROUNDS = 3
CRUMB = 0.05
"""Parts smaller than this share of the largest are dropped."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the right and the bottom are not inside."""


class Fitter(Protocol):
    """Finds the object in a box."""

    def fit(self, image: np.ndarray, box: Box) -> np.ndarray:
        """Where the object is, bool [h, w] of the whole picture, nothing outside the box.

        Args:
            image: RGB uint8, [h, w, 3].
            box: inside the picture, not empty.
        """


class GrabCut:
    """Colours inside the box against colours around it."""

    def fit(self, image: np.ndarray, box: Box) -> np.ndarray:
        left, top, right, bottom = box
        margin = max(8, round(MARGIN * max(right - left, bottom - top)))
        rows = slice(max(top - margin, 0), min(bottom + margin, image.shape[0]))
        columns = slice(max(left - margin, 0), min(right + margin, image.shape[1]))
        crop = image[rows, columns]
        scale = min(1.0, LARGEST / max(crop.shape[:2]))
        small = resize_image(crop, (max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))))
        inner = np.zeros(small.shape[:2], np.uint8)  # certain background
        y, x = (
            (np.array([top - rows.start, bottom - rows.start]) * scale).round().astype(int),
            (np.array([left - columns.start, right - columns.start]) * scale).round().astype(int),
        )
        inner[y[0] : max(y[1], y[0] + 1), x[0] : max(x[1], x[0] + 1)] = cv2.GC_PR_FGD
        region = _cut(small, inner)
        smooth = cv2.resize(region.astype(np.float32), (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR)
        found = np.zeros(image.shape[:2], bool)
        found[rows, columns] = smooth > 0.5
        return within(found, box)


def within(region: np.ndarray, box: Box) -> np.ndarray:
    """The part of a region inside a box, without crumbs; the whole box if nothing is left."""
    left, top, right, bottom = box
    kept = np.zeros_like(region)
    part = region[top:bottom, left:right].astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    if count < 2:
        kept[top:bottom, left:right] = True
        return kept
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept[top:bottom, left:right] = (areas >= CRUMB * areas.max())[parts] & (parts > 0)
    return kept


def _cut(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Foreground, bool; everything that may be where there is no background to learn from."""
    may_be = mask == cv2.GC_PR_FGD
    if may_be.all() or image.shape[0] * image.shape[1] < 16:
        return may_be
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.setRNGSeed(0)
        cv2.grabCut(np.ascontiguousarray(image[..., ::-1]), mask, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # too few samples for its mixtures
        return may_be
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
