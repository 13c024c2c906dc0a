"""Losses on dense logits.

Letters: N pictures, C classes, H W picture size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255
EPSILON = 1e-8


def dice_loss(logits: Tensor, labels: Tensor, *, ignore: int | None = None) -> Tensor:
    """Dice over independent sigmoids of every channel (V-Net form, squares in the denominator), as SCCAN trains with.

    L = 1 - 2 sum(p t) / max(sum(p^2) + sum(t^2), 1e-8) per picture and channel, sums over pixels; the loss is the sum
    over channels, averaged over pictures, and lies in [0, C].

    Args:
        logits: [N, C, H, W].
        labels: class per pixel, int, [N, H, W].
        ignore: label that is left out. None is the published behaviour: a pixel whose label is no channel (255) has
            no target anywhere but stays in sum(p^2), so it counts as a negative of every channel.

    Returns:
        A scalar, float32.

    Raises ValueError: logits and labels differ in height or width.
    """
    _check_sizes(logits, labels)
    channels = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    target = (labels.unsqueeze(1) == channels).float()
    probability = logits.float().sigmoid()
    if ignore is not None:
        probability = probability * (labels != ignore).unsqueeze(1)
    overlap = (probability * target).sum((-2, -1))
    size = probability.square().sum((-2, -1)) + target.sum((-2, -1))
    return (1 - 2 * overlap / size.clamp_min(EPSILON)).sum(1).mean()


def pixel_cross_entropy(logits: Tensor, labels: Tensor, *, background_weight: float = 1.0) -> Tensor:
    """Cross-entropy over pixels, with a weight for the background and 255 left out.

    Args:
        logits: [N, C, H, W].
        labels: class per pixel in [0, C), or 255, int64, [N, H, W].
        background_weight: weight of class 0; the others have weight 1.

    Returns:
        The weighted mean over the pixels that count; 0 where none does.

    Raises ValueError: logits and labels differ in height or width.
    """
    _check_sizes(logits, labels)
    weight = torch.ones(logits.shape[1], device=logits.device)
    weight[0] = background_weight
    total = F.cross_entropy(logits.float(), labels, weight, ignore_index=IGNORE, reduction="sum")
    mass = (labels != IGNORE).sum() + (background_weight - 1) * (labels == 0).sum()
    return total / mass.clamp_min(EPSILON)


def _check_sizes(logits: Tensor, labels: Tensor) -> None:
    if logits.shape[-2:] != labels.shape[-2:]:
        raise ValueError(f"logits are {tuple(logits.shape[-2:])} but labels are {tuple(labels.shape[-2:])}")
