"""Losses on maps of scores that share one label per picture.

Letters: N pictures, M classes, h w map size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def map_focal_loss(scores: Tensor, labels: Tensor, gamma: float = 1.0) -> Tensor:
    """Focal cross-entropy -(1 - p)^gamma log p at every position, averaged over pictures and positions.

    Args:
        scores: [N, M, h, w].
        labels: in [0, M), [N].
        gamma: 0: plain cross-entropy.

    Raises ValueError: scores and labels are of different numbers of pictures.
    """
    if gamma == 0:
        return map_cross_entropy(scores, labels)
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} score maps but {len(labels)} labels")
    index = labels[:, None, None, None].expand(-1, 1, *scores.shape[-2:])
    log_share = scores.float().log_softmax(1).gather(1, index)
    return -((1 - log_share.exp()) ** gamma * log_share).mean()


class LearnedWeights(nn.Module):
    """A sum of losses with learned weights: sum_i (0.5 / s_i^2 + floor) L_i + log(1 + s_i^2), s_i = 1 at first."""

    def __init__(self, n_losses: int, *, floor: float = 0.0) -> None:
        """
        Args:
            n_losses: how many there are.
            floor: added to every weight.
        """
        super().__init__()
        self.scales, self.floor = nn.Parameter(torch.ones(n_losses)), floor

    def forward(self, *losses: Tensor) -> Tensor:
        """The weighted sum of scalar losses, as many as there are weights."""
        squares = self.scales.square()
        return ((self.shares() + self.floor) * torch.stack(losses)).sum() + (1 + squares).log().sum()

    def shares(self) -> Tensor:
        """0.5 / s_i^2: the weights without the floor, [n]."""
        return 0.5 / self.scales.square()
