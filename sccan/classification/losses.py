"""Losses on maps of scores that share one label per picture.

Letters: N pictures, M classes, h w map size.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def map_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy at every position against the picture's one label, averaged over pictures and positions.

    CAN's nearest-neighbour and global losses: the paper sums over pictures and positions, the published code averages.

    Args:
        scores: [N, M, h, w].
        labels: in [0, M), [N].

    Raises ValueError: scores and labels are of different numbers of pictures.
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} score maps but {len(labels)} labels")
    targets = labels[:, None, None].expand(-1, *scores.shape[-2:])
    return F.cross_entropy(scores.float(), targets)
