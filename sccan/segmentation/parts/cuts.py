"""Where to cut scores of annotated pictures so that the masks fit best.

Letters: K pictures, H W picture size, T cuts.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ious_of_cuts(scores: Tensor, labels: Tensor, cuts: Tensor) -> Tensor:
    """IoU with the label of what lies above each cut, in every picture, [K, T].

    Args:
        scores: [K, H, W].
        labels: 1 foreground, 0 background, 255 ignored, [K, H, W].
        cuts: rising, [T].
    """
    above = torch.bucketize(scores.contiguous(), cuts)  # how many cuts a score lies above, [K, H, W]
    rows = torch.arange(len(scores), device=scores.device).view(-1, 1, 1) * (len(cuts) + 1)
    inside, outside = (
        torch.bincount((rows + above)[labels == value], minlength=len(scores) * (len(cuts) + 1))
        .view(len(scores), -1)
        .flip(1)
        .cumsum(1)
        .flip(1)
        for value in (1, 0)
    )  # foreground and background above at least so many cuts, [K, T + 1]
    union = inside[:, :1] + outside[:, 1:]
    return inside[:, 1:] / union.clamp_min(1)
