"""Prototypes: one vector that stands for the foreground of a map.

Letters: C channels, H W map.
"""

from __future__ import annotations

from torch import Tensor

MASS = 5e-4  # added to the mask mass, so that an empty mask gives a prototype of zeros, as in the published code


def masked_average_pooling(features: Tensor, mask: Tensor) -> Tensor:
    """Average of the features under a soft mask.

    Args:
        features: [..., C, H, W].
        mask: foreground weight in [0, 1], [..., 1, H, W].

    Returns:
        [..., C]; zeros where the mask is empty.
    """
    return (features * mask).sum((-2, -1)) / (mask.sum((-2, -1)) + MASS)
