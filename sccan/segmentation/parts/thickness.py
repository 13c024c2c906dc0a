"""How thick marked objects are.

Letters: h w picture size.
"""

from __future__ import annotations

import cv2
import numpy as np


def thickness(mask: np.ndarray) -> float:
    """Mean radius of the parts of a mask in pixels; 0 for an empty one.

    Three times the mean distance of its pixels to its border, which is the radius of discs. What is cut
    by the picture's border counts as ending there.

    Args:
        mask: bool, [h, w].
    """
    if not mask.any():
        return 0.0
    framed = np.pad(mask.astype(np.uint8), 1)
    distances = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5)
    return 3 * (float(distances[framed > 0].mean()) - 0.5)  # to the border, half a pixel before that pixel's centre
