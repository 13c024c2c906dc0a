"""How well the border of a mask follows the border of the object, apart from how much of it is covered.

Measure F of DAVIS (Perazzi et al., CVPR 2016, section 5.1): the share of the found border that lies near the true one,
and the share of the true border that lies near the found one, as their harmonic mean. Letters: h w picture size.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from sccan.episodes.index import IGNORE

TOLERANCE = 0.008
"""How far two borders may lie apart, as a share of the picture's diagonal; that of DAVIS."""
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def boundary_f(found: np.ndarray, label: np.ndarray) -> float:
    """Harmonic mean of precision and recall of the border, in [0, 1].

    1 where neither has a border, 0 where one of them has none. Ignored pixels, and borders beside them, do not count.

    Args:
        found: the mask, bool [h, w].
        label: 1 object, 0 background, 255 ignored, uint8 [h, w].
    """
    counted = cv2.erode((label != IGNORE).astype(np.uint8), CROSS) > 0  # the picture's own rim counts
    mine, true = (_border(mask) & counted for mask in (found, label == 1))
    if not mine.any() or not true.any():
        return float(mine.any() == true.any())
    reach = max(math.ceil(TOLERANCE * math.hypot(*label.shape)), 1)
    precision, recall = _share_near(mine, true, reach), _share_near(true, mine, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _border(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask that touch the rest with a side; the picture's rim is no border."""
    solid = mask.astype(np.uint8)
    return (solid - cv2.erode(solid, CROSS)) > 0


def _share_near(border: np.ndarray, other: np.ndarray, reach: int) -> float:
    """Share of a border's pixels that have one of the other within reach (Euclidean, in pixels)."""
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[border] <= reach).mean())
