"""Vectors of length 1 as the SpatialFormer family makes them."""

from __future__ import annotations

from torch import Tensor

EPSILON = 1e-5
"""Added to lengths, as published; torch's own `normalize` bounds them from below instead."""


def directions(tokens: Tensor) -> Tensor:
    """Tokens [..., C], every one divided by its length + `EPSILON`."""
    return tokens / (tokens.norm(dim=-1, keepdim=True) + EPSILON)
