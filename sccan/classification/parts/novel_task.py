"""A classifier of the novel classes, fine-tuned on an episode's support set, and what it says about maps.

From SpatialFormer's novel-task attention (AAAI 2023). Letters: B episodes, N ways, S support pictures, X maps,
C channels, m positions, P = S * m patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.attention.directions import directions
from sccan.classification.parts.heads import class_means, one_hot


@dataclass(frozen=True)
class FineTuning:
    """Plain gradient descent with momentum, on all patches of the support set at once.

    Attributes:
        steps: how many.
        rate: learning rate.
        momentum: share of the velocity that is kept.
        dampening: share of the gradient that does not enter the velocity (after the first step).
        weight_decay: times the weights, added to the gradient.
    """

    steps: int = 200
    rate: float = 0.01
    momentum: float = 0.9
    dampening: float = 0.9
    weight_decay: float = 0.001


def prototype_weights(maps: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """Weights to start from: mean vector of every class, of length 1.

    Args:
        maps: support maps, [B, S, C, m].
        labels: ways, [B, S].
        n_way: N.

    Returns:
        [B, N, C].
    """
    return F.normalize(class_means(maps.mean(-1), labels, n_way), dim=-1)


def fine_tuned(weights: Tensor, maps: Tensor, labels: Tensor, settings: FineTuning) -> Tensor:
    """Weights of a linear classifier of patches after fine-tuning with the focal cross-entropy -(1 - p) log p.

    The gradient is written out, so that episodes are tuned side by side and in any gradient mode:
    d loss / d z_j = (p log p - (1 - p)) (1[j is the class] - p_j), with p the share of the true class.

    Args:
        weights: to start from, [B, N, C].
        maps: support maps, [B, S, C, m].
        labels: ways, [B, S].
        settings: of the descent.

    Returns:
        [B, N, C].
    """
    patches = maps.transpose(-1, -2).flatten(1, 2)  # [B, P, C]
    targets = one_hot(labels.repeat_interleave(maps.shape[-1], dim=1), weights.shape[1])  # [B, P, N]
    velocity = torch.zeros_like(weights)
    for step in range(settings.steps):
        logs = (patches @ weights.transpose(1, 2)).log_softmax(-1)
        true = (logs * targets).sum(-1, keepdim=True)  # log p, [B, P, 1]
        slope = (true.exp() * true - 1 + true.exp()) * (targets - logs.exp())  # [B, P, N]
        gradient = slope.transpose(1, 2) @ patches / patches.shape[1] + settings.weight_decay * weights
        velocity = settings.momentum * velocity + (1 - settings.dampening if step else 1) * gradient
        weights = weights - settings.rate * velocity
    return weights


def novel_probabilities(weights: Tensor, maps: Tensor) -> Tensor:
    """Softmax over classes at every position, averaged over positions.

    Args:
        weights: [B, N, C].
        maps: [B, X, C, m].

    Returns:
        [B, X, N].
    """
    return (weights.unsqueeze(1) @ maps).softmax(2).mean(-1)


def attended_by_class(weights: Tensor, maps: Tensor, probabilities: Tensor) -> Tensor:
    """Maps whose channels are multiplied by 1 + the unit weight vector of the class they most likely show.

    Args:
        weights: [B, N, C].
        maps: [B, X, C, m].
        probabilities: [B, X, N].
    """
    chosen = probabilities.argmax(-1, keepdim=True).expand(-1, -1, weights.shape[-1])  # [B, X, C]
    return maps * (1 + directions(weights.gather(1, chosen)).unsqueeze(-1))
