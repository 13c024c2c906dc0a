"""Class maps and the scores that queries get from them, without weights.

Letters: B episodes, N ways, S support pictures (N * K where all ways have K shots), Q queries, C channels,
m positions of a map.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-12
TOGETHER = 16
"""Queries whose pairs are formed together where no gradient is needed."""


def ways_of(labels: Tensor) -> int:
    """Number of ways that support labels [B, S] speak of; each way has at least one support picture."""
    return int(labels.max()) + 1


def one_hot(labels: Tensor, n_way: int) -> Tensor:
    """Labels [B, S] as float32 indicators [B, S, N]."""
    return (labels.unsqueeze(-1) == torch.arange(n_way, device=labels.device)).float()


def full_precision(maps: Tensor) -> torch.autocast:
    """A block in which autocast is off: heads compute in float32, since their softmaxes magnify rounding."""
    return torch.autocast(maps.device.type, enabled=False)


def map_tokens(maps: Tensor) -> Tensor:
    """Maps [..., C, h, w] as float32 tokens [..., m, C]."""
    return maps.float().flatten(-2).transpose(-1, -2)


def in_parts(scores: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """Scores [B, Q, N] of query tokens [B, Q, m, C], some queries at a time, to bound the memory of their pairs."""
    return torch.cat([scores(part) for part in tokens.split(TOGETHER, dim=1)], dim=1)


def true_pair_maps(tokens: Tensor, labels: Tensor, size: torch.Size) -> Tensor:
    """Of the query tokens of all pairs, those of the pair with the true class, as maps.

    Args:
        tokens: [B, Q, N, m, C], or [B, Q, 1, m, C] where they are the same for all classes.
        labels: true ways, [B, Q].
        size: h and w.

    Returns:
        [B, Q, C, h, w].
    """
    return true_pairs(tokens, labels).transpose(-1, -2).unflatten(-1, size)


def true_pairs(values: Tensor, labels: Tensor) -> Tensor:
    """Of values of all pairs [B, Q, N, ...], those of the pair with the true class, [B, Q, ...].

    Args:
        values: [B, Q, 1, ...] where they are the same for all classes.
        labels: true ways, [B, Q].
    """
    if values.shape[2] == 1:
        return values.squeeze(2)
    index = labels.view(*labels.shape, *(1,) * (values.dim() - 2)).expand(-1, -1, 1, *values.shape[3:])
    return values.gather(2, index).squeeze(2)


def class_means(maps: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """Mean of the tensors of every class.

    Args:
        maps: one per support picture, [B, S, ...].
        labels: ways, [B, S].
        n_way: N.

    Returns:
        [B, N, ...].
    """
    sums, counts = class_sums(maps.flatten(2).unsqueeze(-1), one_hot(labels, n_way))  # [B, N, ..., 1], [B, N]
    return (sums.squeeze(-1) / counts.unsqueeze(-1)).unflatten(2, maps.shape[2:])


def class_sums(maps: Tensor, indicators: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the maps of every class, and how many there are; shots may differ between classes.

    Args:
        maps: [B, S, C, m].
        indicators: weight of every picture in every class, [B, S, N].

    Returns:
        Sums [B, N, C, m] and counts [B, N].
    """
    sums = indicators.transpose(1, 2) @ maps.flatten(2)  # [B, N, C * m]
    return sums.unflatten(2, maps.shape[2:]), indicators.sum(1)


def pair_means(maps: Tensor, weights: Tensor) -> Tensor:
    """Mean over positions of maps re-weighted per pair, without forming the re-weighted maps.

    Args:
        maps: [B, X, C, m].
        weights: attention of every map for each of its Y partners, [B, X, Y, m].

    Returns:
        [B, X, Y, C].
    """
    return weights @ maps.transpose(-1, -2) / maps.shape[-1]


def cosine_scores(class_vectors: Tensor, query_vectors: Tensor, scale: float) -> Tensor:
    """Scaled cosine along the last axis; a vector of length zero has the cosine 0 with everything."""
    return scale * (
        F.normalize(class_vectors, dim=-1, eps=EPSILON) * F.normalize(query_vectors, dim=-1, eps=EPSILON)
    ).sum(-1)


def euclidean_scores(classes: Tensor, queries: Tensor) -> Tensor:
    """Minus the squared distances of queries [B, Q, D] to classes [B, N, D]: [B, Q, N]."""
    return -(queries.unsqueeze(2) - classes.unsqueeze(1)).square().sum(-1)


def unit_scores(classes: Tensor, queries: Tensor) -> Tensor:
    """`euclidean_scores` of vectors whose lengths are near one, by products: no difference of a pair is formed.

    A thousand classes and queries would have a billion differences. Of long vectors that lie close together the last
    digits would be lost.
    """
    squares = queries.square().sum(-1, keepdim=True) + classes.square().sum(-1).unsqueeze(1)  # [B, Q, N]
    return 2 * queries @ classes.transpose(1, 2) - squares


def patch_cosines(class_vectors: Tensor, patches: Tensor) -> Tensor:
    """Cosine of every pair's class vector with every patch of its query map, without forming unit patches of pairs.

    A positive weight per position, such as an attention, would cancel out of the cosine; bare patches do.

    Args:
        class_vectors: [B, 1 or Q, N, C].
        patches: [B, Q, 1 or N, m, C]; with 1, they are the same for all classes, and so no pairs are formed.

    Returns:
        [B, Q, N, m].
    """
    products = patch_products(F.normalize(class_vectors, dim=-1, eps=EPSILON), patches)
    return products / patches.norm(dim=-1).clamp_min(EPSILON)


def patch_products(class_vectors: Tensor, patches: Tensor) -> Tensor:
    """Product of every pair's class vector with every patch of its query map; shapes as in `patch_cosines`."""
    if patches.shape[2] == 1:
        return class_vectors @ patches.squeeze(2).transpose(-1, -2)
    return (patches @ class_vectors.unsqueeze(-1)).squeeze(-1)
