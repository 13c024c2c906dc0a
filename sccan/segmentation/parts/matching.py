"""Which query cells match the examples: the forward gate and the backward vote of INSID3 and FROST.

Letters: K references, L cells, n query cells, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GATE_QUANTILE = 0.9
"""Of the similarities, where none is positive."""
PAIRS = 2**20
"""Similarities held at a time (4 MiB), so that they stay in the caches."""


def forward_gate(similarity: Tensor) -> Tensor:
    """Query cells whose similarity to the prototype is positive, or, where there are none, in the top tenth.

    Args:
        similarity: [..., L].
    """
    positive = similarity > 0
    top = similarity > similarity.quantile(GATE_QUANTILE, dim=-1, keepdim=True)
    return torch.where(positive.any(-1, keepdim=True), positive, top)


def votes_needed(references: int) -> int:
    """Half of them, rounded up; so half of an even number is enough, as published."""
    return math.ceil(references / 2)


def nearest_is_foreground(query: Tensor, reference: Tensor, foreground: Tensor) -> Tensor:
    """Whether the cell of a reference that is most similar to a query cell is foreground, bool [n].

    The most similar foreground cell is compared with the most similar of the others, so no place has to be looked up.

    Args:
        query: [n, C].
        reference: [L, C].
        foreground: bool [L].
    """
    inside, outside = reference[foreground], reference[~foreground]
    if not len(inside) or not len(outside):
        return torch.full((len(query),), bool(len(inside)), device=query.device)
    return highest_cosine(query, inside) >= highest_cosine(query, outside)


def highest_cosine(query: Tensor, others: Tensor) -> Tensor:
    """Highest cosine of every query cell with any of the other cells, [n]; -1, the lowest there is, without any.

    Args:
        query: of length one, [n, C].
        others: of length one, [m, C].
    """
    if not len(others):
        return query.new_full((len(query),), -1.0)
    return torch.cat([(some @ others.T).amax(1) for some in query.split(max(1, PAIRS // len(others)))])


def most_of_three_are_foreground(dots: Tensor, n_foreground: int) -> Tensor:
    """Whether at least two of the three largest values of a row belong to its first columns, bool [n].

    Two of the three largest are foreground if the second largest foreground value is exceeded by one other at most,
    so the larger part of a row need not be sorted.

    Args:
        dots: inner products with the cells of a reference, its foreground first, [n, L].
        n_foreground: columns that are foreground.
    """
    inside, outside = dots[:, :n_foreground], dots[:, n_foreground:]
    if n_foreground < 2:
        return torch.zeros(len(dots), dtype=torch.bool, device=dots.device)
    if outside.shape[1] < 2:
        return torch.ones(len(dots), dtype=torch.bool, device=dots.device)
    if inside.shape[1] <= outside.shape[1]:
        return (outside > _second_largest(inside)).sum(1) <= 1
    return (inside > _second_largest(outside)).sum(1) >= 2


def _second_largest(values: Tensor) -> Tensor:
    return values.topk(2, dim=1).values[:, 1:]
