"""Maps of pairs: every class map with every query map, and products of pairs without copies of either.

Letters: B episodes, W class maps, Q query maps, m positions, C channels; N M tokens, D numbers per token.
"""

from __future__ import annotations

import string
from typing import NamedTuple

import torch
from torch import Tensor


class Pairs(NamedTuple):
    """Tokens of the maps of every pair; a dimension of length 1 says that a map is the same for all its partners."""

    classes: Tensor  # [B, 1 or Q, W, m, C]
    queries: Tensor  # [B, Q, 1 or W, m, C]


def apart(class_tokens: Tensor, query_tokens: Tensor) -> Pairs:
    """Pairs whose maps know nothing of each other.

    Args:
        class_tokens: [B, W, m, C].
        query_tokens: [B, Q, m, C].
    """
    return Pairs(class_tokens.unsqueeze(1), query_tokens.unsqueeze(2))


def affinities(left: Tensor, right: Tensor) -> Tensor:
    """Products <left_n, right_m>, [..., N, M], of tokens [..., N, D] and [..., M, D]; leading dimensions broadcast.

    `torch.matmul` copies an operand along every dimension that it lacks; here such a dimension becomes more rows of
    one larger product instead.
    """
    return _contracted(left, right, "yd", "zd", "yz")


def mixtures(weights: Tensor, source: Tensor) -> Tensor:
    """Weighted sums [..., N, D] of tokens [..., M, D] with weights [..., N, M]; as `affinities`."""
    return _contracted(weights, source, "yz", "zd", "yd")


def _contracted(left: Tensor, right: Tensor, left_last: str, right_last: str, last: str) -> Tensor:
    lead = max(left.dim(), right.dim()) - 2
    left = left.reshape(*(1,) * (lead + 2 - left.dim()), *left.shape)
    right = right.reshape(*(1,) * (lead + 2 - right.dim()), *right.shape)
    names = string.ascii_uppercase[:lead]
    one_sided = [a != b for a, b in zip(left.shape[:lead], right.shape[:lead], strict=True)]
    terms = []
    for operand, ending in ((left, left_last), (right, right_last)):
        dropped = [n for n in range(lead) if one_sided[n] and operand.shape[n] == 1]
        kept = "".join(name for n, name in enumerate(names) if n not in dropped)
        terms.append((operand.squeeze(dropped) if dropped else operand, kept + ending))
    (first, first_names), (second, second_names) = terms
    return torch.einsum(f"{first_names},{second_names}->{names}{last}", first, second)
