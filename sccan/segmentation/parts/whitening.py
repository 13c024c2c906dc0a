"""Whitening: cells stretched so that what varies within foreground and background counts less (FROST).

Letters: N cells, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

WITHIN = 0.05
"""Share of the measured covariance; the rest is a multiple of the identity."""
SMALLEST = 1e-6
"""Of the eigenvalues."""


def within_whitening(foreground: Tensor, background: Tensor, channels: int | None = None) -> Tensor:
    """W = S^(-1/2) of the pooled covariance S of two groups of cells, shrunk towards its mean variance, [C, C].

    Args:
        foreground: [N, C], at least one.
        background: [N, C], at least one.
        channels: among which the mean variance is taken; more than C where some that hold nothing were left out.
    """
    spread = foreground.new_zeros(foreground.shape[1], foreground.shape[1])
    for group in (foreground, background):
        centred = group - group.mean(0)
        spread.addmm_(centred.T, centred)
    spread /= max(len(foreground) + len(background) - 2, 1)
    mean = spread.trace() / (channels or len(spread))
    spread.mul_(WITHIN).diagonal().add_((1 - WITHIN) * mean)
    variances, directions = torch.linalg.eigh(spread)
    return (directions * variances.clamp_min(SMALLEST).rsqrt()) @ directions.T
