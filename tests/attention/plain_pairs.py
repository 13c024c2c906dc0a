"""The plain arithmetic of pairs in the SpatialFormer family: an oracle, and a measure of what is saved.

Every pair (query, class) gets copies of both maps, and every layer is applied to every pair. Layers are torch's own:
1x1 convolutions on maps, linear layers on tokens.
Letters: B episodes, N ways, Q queries, P = B * Q * N pairs, C channels, m n positions, A heads, D = C / A.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.directions import EPSILON
from sccan.attention.element_connection import (
    SLOPE,
    ElementConnection,
    GraphCluster,
    MatMulCluster,
    PatchCluster,
    TransformerCluster,
)
from sccan.attention.spatial_former import SpatialFormerUnit


def pair_copies(class_maps: Tensor, query_maps: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps of every pair, [P, C, m] each, of class maps [B, N, C, m] and query maps [B, Q, C, m]."""
    n_class, n_query = class_maps.shape[1], query_maps.shape[1]
    classes = class_maps.unsqueeze(1).repeat(1, n_query, 1, 1, 1)
    return classes.flatten(0, 2), query_maps.unsqueeze(2).repeat(1, 1, n_class, 1, 1).flatten(0, 2)


def attended(unit: SpatialFormerUnit, maps: Tensor, reference: Tensor) -> Tensor:
    """The unit's answer for maps [P, C, m] that look at [P, C, n], step by step as in the paper."""
    aligned = message(unit, maps, reference)
    if unit.transformer:
        kept = maps + aligned
    else:
        weight = cosines(aligned, maps)
        if unit.temperature is not None:
            weight = (weight / unit.temperature).softmax(-1)
        kept = maps * (1 + weight.unsqueeze(1))
    tokens, block = kept.transpose(1, 2), unit.feed_forward
    hidden = F.relu(F.linear(tokens, block.linear1.weight, block.linear1.bias))
    hidden = F.dropout(hidden, block.dropout, unit.training)
    out = F.dropout(F.linear(hidden, block.linear2.weight, block.linear2.bias), block.dropout, unit.training)
    return block.norm(tokens + out).transpose(1, 2)  # [P, C, m]


def attended_pairs(unit: SpatialFormerUnit, classes: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """SFSA of pairs [P, C, m]: class maps look first, and query maps at what has become of them."""
    classes = attended(unit, classes, queries)
    return classes, attended(unit, queries, classes)


def connected_pairs(
    connection: ElementConnection, left: Tensor, right: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """CECM of maps [P, C, m] and [P, C, n]: the maps with their elements enhanced, and the relations [P, m], [P, n]."""
    pairs = (left, right), (right, left)
    relations = tuple(cosines(maps, clusters(connection.cluster, maps, source)) for maps, source in pairs)
    gains = (1 + (relation / connection.temperature).softmax(-1).unsqueeze(1) for relation in relations)
    first, second = (maps * gain for maps, gain in zip((left, right), gains, strict=True))
    return (first, second), (relations[0], relations[1])


def clusters(cluster: PatchCluster, maps: Tensor, source: Tensor) -> Tensor:
    """Patch clusters [P, C, m] for maps [P, C, m] of a source [P, C, n]."""
    if isinstance(cluster, TransformerCluster):
        hidden = _layer(cluster.expand, torch.cat([maps, message(cluster, maps, source)], dim=1))
        return _layer(cluster.reduce, F.relu(normed(cluster.norm, hidden)))
    plain = isinstance(cluster, MatMulCluster)
    one, other = (part if plain else part / (part.norm(dim=1, keepdim=True) + EPSILON) for part in (maps, source))
    shares = torch.bmm(one.transpose(1, 2), other).softmax(-1)  # [P, m, n]
    mixed = torch.bmm(source, shares.transpose(1, 2))  # [P, C, m]
    return F.leaky_relu(_layer(cluster.mix, mixed), SLOPE) if isinstance(cluster, GraphCluster) else mixed


def message(block: SpatialFormerUnit | TransformerCluster, maps: Tensor, reference: Tensor) -> Tensor:
    """What multi-head attention of maps [P, C, m] to [P, C, n] brings, merged: [P, C, m]."""
    parts = (block.query, maps), (block.key, reference), (block.value, reference)
    q, k, v = (_layer(layer, part).unflatten(1, (-1, block.heads)) for layer, part in parts)  # [P, D, A, m or n]
    shares = (torch.einsum("pdam,pdan->pamn", q, k) / q.shape[1] ** 0.5).softmax(-1)
    return _layer(block.merge, torch.einsum("pamn,pdan->pdam", shares, v).flatten(1, 2))


def cosines(maps: Tensor, others: Tensor) -> Tensor:
    """Position by position, of maps [P, C, m]: [P, m]."""
    one, other = (part / (part.norm(dim=1, keepdim=True) + EPSILON) for part in (maps, others))
    return (one * other).sum(1)


def normed(norm: nn.BatchNorm1d, maps: Tensor) -> Tensor:
    """Maps [P, C, ...] normed over everything but channels, as the module would but without updating its statistics."""
    statistics = (None, None) if norm.training else (norm.running_mean, norm.running_var)
    return F.batch_norm(maps, *statistics, norm.weight, norm.bias, norm.training, eps=norm.eps)


def _layer(layer: nn.Conv1d, maps: Tensor) -> Tensor:
    return F.conv1d(maps, layer.weight, layer.bias)
