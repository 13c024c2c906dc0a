"""The point that vectors are centred on before they are compared by their directions.

Features of a rectified last layer all lie in one corner: without centring, every cosine is large.
Letters: B episodes, N ways, S support pictures, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sccan.classification.parts.heads import class_means

Centre = Callable[[Tensor, Tensor, int], Tensor]
"""From support vectors [B, S, C], their ways [B, S] and N to the centre [B, 1, C]."""


def no_centre(vectors: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """The origin."""
    return torch.zeros_like(vectors[:, :1])


def support_centre(vectors: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """The mean of the class means, so that classes count alike however many examples they have."""
    return class_means(vectors, labels, n_way).mean(1, keepdim=True)


def fixed_centre(mean: Tensor) -> Centre:
    """A mean [C] known beforehand, such as that of the base classes (SimpleShot as published)."""

    def centre(vectors: Tensor, labels: Tensor, n_way: int) -> Tensor:
        return mean.to(vectors).expand(len(vectors), 1, -1)

    return centre
