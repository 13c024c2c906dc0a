"""A linear map from pictures to words, fitted to the support set of every episode (TasNet, section 3).

Letters: B episodes, S support pictures, C channels of a picture's feature, D size of a word vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COSINE_EPSILON = 1e-8
"""Smallest norm that a cosine divides by."""


@dataclass(frozen=True)
class WordLearner:
    """One linear map per episode.

    Attributes:
        weight: [B, D, C].
        bias: [B, D].
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Words [B, S, D] of features [B, S, C]."""
        return torch.baddbmm(self.bias.unsqueeze(1), features, self.weight.transpose(1, 2))


@dataclass(frozen=True)
class FitSettings:
    """How a map is fitted: steps of Adam over the whole support set.

    Attributes:
        steps: number of steps.
        rate: learning rate of the first `every` steps.
        factor: what the rate is multiplied by after each `every` steps.
        every: see `factor`.
        decay: of the weights, added to the gradient.
    """

    steps: int = 100
    rate: float = 0.01
    factor: float = 0.2
    every: int = 10
    decay: float = 1e-5


def word_loss(predicted: Tensor, words: Tensor) -> Tensor:
    """Mean over pictures of 1 - cosine of predicted and true words, [..., S, D]: [...]."""
    return (1 - F.cosine_similarity(predicted, words, dim=-1, eps=COSINE_EPSILON)).mean(-1)


def fit_word_learner(
    start: WordLearner, features: Tensor, words: Tensor, settings: FitSettings | None = None
) -> tuple[WordLearner, Tensor]:
    """Fit a map per episode, all episodes at once; they do not touch each other.

    The gradient is written out, so this works without autograd, in inference mode too.

    Args:
        start: where to start from.
        features: of support pictures, [B, S, C].
        words: of their classes, [B, S, D].
        settings: how.

    Returns:
        The fitted maps, and the loss before every step, [steps, B].
    """
    settings = settings or FitSettings()
    with torch.no_grad():
        parameters = [start.weight.clone(), start.bias.clone()]
        moments = [(torch.zeros_like(one), torch.zeros_like(one)) for one in parameters]
        directions = words / words.norm(dim=-1, keepdim=True).clamp(min=COSINE_EPSILON)
        losses = []
        for step in range(settings.steps):
            predicted = WordLearner(*parameters)(features)
            norms = predicted.norm(dim=-1, keepdim=True).clamp(min=COSINE_EPSILON)
            units = predicted / norms
            cosines = (units * directions).sum(-1, keepdim=True)
            losses.append((1 - cosines).mean((1, 2)))
            slope = (cosines * units - directions) / norms / features.shape[1]  # [B, S, D]
            gradients = (slope.transpose(1, 2) @ features, slope.sum(1))
            rate = settings.rate * settings.factor ** (step // settings.every)
            for parameter, gradient, pair in zip(parameters, gradients, moments, strict=True):
                _adam(parameter, gradient.add_(parameter, alpha=settings.decay), pair, rate, step + 1)
        return WordLearner(*parameters), torch.stack(losses)


def _adam(parameter: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], rate: float, number: int) -> None:
    """Step `number` (from 1) of Adam with the usual constants, in place."""
    first, second = moments
    first.lerp_(gradient, 0.1)
    second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    scale = (second.sqrt() / (1 - 0.999**number) ** 0.5).add_(1e-8)
    parameter.addcdiv_(first, scale, value=-rate / (1 - 0.9**number))
