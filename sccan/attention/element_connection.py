"""Clustered-patch element connection (CECNet; Lai, Yang, Zhou, Wu, Chen, Liu, Gao, Wang, Zheng; IJCAI 2023).

Every element of one map is described by a mixture of the patches of another (a patch cluster), and how well that works
is its relation. Letters: N tokens, M tokens of the source, C channels; for pairs: B episodes, W class maps, Q query
maps, m positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.directions import directions
from sccan.attention.feed_forward import FeedForward
from sccan.attention.interleaved_heads import TokenConv, interleaved_attention

CLUSTER_HEADS = 4
"""Of the transformer cluster, as published."""
SLOPE = 0.2
"""Of the graph cluster's leaky activation."""


# Patch clusters: tokens [..., N, C] and a source [..., M, C] whose leading dimensions broadcast, to [..., N, C].


class MatMulCluster(nn.Module):
    """Weights are the softmax of plain products."""

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        return (tokens @ source.transpose(-1, -2)).softmax(-1) @ source


class CosineCluster(nn.Module):
    """Weights are the softmax of cosines; without a temperature the mixture is nearly uniform, as published."""

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        return (directions(tokens) @ directions(source).transpose(-1, -2)).softmax(-1) @ source


class GraphCluster(nn.Module):
    """`CosineCluster`, then a layer as in a graph network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix, self.cosine = TokenConv(channels, channels), CosineCluster()

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        return F.leaky_relu(self.mix(self.cosine(tokens, source)), SLOPE)


class TransformerCluster(nn.Module):
    """Multi-head attention and a two-layer network on token and message side by side; nothing is added to the token.

    Norm statistics are over all tokens of a call, so that in training the pairs of an episode interact. The first
    layer is applied to tokens and messages apart, since W [x ; y] = W_x x + W_y y: once per map instead of per pair.
    """

    def __init__(self, channels: int, heads: int = CLUSTER_HEADS) -> None:
        """
        Args:
            channels: C.
            heads: a divisor of C.

        Raises ValueError: the channels do not divide into the heads.
        """
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads, self.channels = heads, channels
        self.merge = TokenConv(channels, channels)
        self.query, self.key, self.value = (TokenConv(channels, channels) for _ in range(3))
        for layer in (self.query, self.key, self.value):
            layer.load_state_dict(self.merge.state_dict())
        self.expand, self.reduce = TokenConv(2 * channels, 2 * channels), TokenConv(2 * channels, channels)
        self.norm = nn.BatchNorm1d(2 * channels)
        nn.init.zeros_(self.reduce.bias)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        message, _ = interleaved_attention(self.query(tokens), self.key(source), self.value(source), self.heads)
        of_token, of_message = self.expand.weight.squeeze(-1).split(self.channels, dim=1)
        hidden = F.linear(self.merge(message), of_message, self.expand.bias) + F.linear(tokens, of_token)
        normed = self.norm(hidden.flatten(0, -2)).view_as(hidden)
        return self.reduce(F.relu(normed))


CLUSTERS: dict[str, Callable[[int], nn.Module]] = {
    "matmul": lambda channels: MatMulCluster(),
    "cosine": lambda channels: CosineCluster(),
    "gcn": GraphCluster,
    "transformer": TransformerCluster,
}
"""The paper's four kinds of patch clusters, given the number of channels."""


class Connected(NamedTuple):
    """Two maps whose elements are weighted by their relations, and the relations."""

    left: Tensor  # [..., N, C]
    right: Tensor  # [..., M, C]
    left_relation: Tensor  # cosines of elements with their clusters, [..., N]
    right_relation: Tensor  # [..., M]


class ElementConnection(nn.Module):
    """CECM: the elements of either map that are related to the other map are enhanced.

    Both maps are connected simultaneously, by one cluster: r_n = cosine(x_n, c_n), x'_n = x_n (1 + softmax_n(r / t)).
    """

    def __init__(self, cluster: nn.Module, *, temperature: float = 0.025) -> None:
        """
        Args:
            cluster: a patch cluster.
            temperature: t.
        """
        super().__init__()
        self.cluster, self.temperature = cluster, temperature

    def forward(self, left: Tensor, right: Tensor) -> Connected:
        """Connect maps [..., N, C] and [..., M, C]; leading dimensions broadcast."""
        relations = relation(left, self.cluster(left, right)), relation(right, self.cluster(right, left))
        weights = [1 + (one / self.temperature).softmax(-1).unsqueeze(-1) for one in relations]
        return Connected(left * weights[0], right * weights[1], *relations)

    def alone(self, maps: Tensor) -> Tensor:
        """Self-CECM: maps [..., N, C] connected with themselves (from the paper; no published code has it)."""
        score = relation(maps, self.cluster(maps, maps))
        return maps * (1 + (score / self.temperature).softmax(-1).unsqueeze(-1))


def one_to_one(connection: ElementConnection, class_tokens: Tensor, query_tokens: Tensor) -> Connected:
    """Every class map [B, W, m, C] with every query map [B, Q, m, C]: maps [B, Q, W, m, C]."""
    return connection(class_tokens.unsqueeze(1), query_tokens.unsqueeze(2))


def one_to_many(connection: ElementConnection, class_tokens: Tensor, query_tokens: Tensor) -> Connected:
    """Every query map with the tokens of all class maps together; the query's result is shared by its pairs.

    Args:
        connection: with any cluster.
        class_tokens: [B, W, m, C].
        query_tokens: [B, Q, m, C].

    Returns:
        Maps [B, Q, W, m, C].
    """
    ways = class_tokens.shape[1]
    together = class_tokens.transpose(1, 2).flatten(1, 2).unsqueeze(1)  # [B, 1, m * W, C]
    found: Connected = connection(together, query_tokens)
    classes = found.left.unflatten(2, (-1, ways)).transpose(2, 3)
    relations = found.left_relation.unflatten(2, (-1, ways)).transpose(2, 3)  # [B, Q, W, m]
    queries = found.right.unsqueeze(2).expand(-1, -1, ways, -1, -1)
    return Connected(classes, queries, relations, found.right_relation.unsqueeze(2).expand(-1, -1, ways, -1))


class ElementFilter(nn.Module):
    """CECE: a map is connected with a few learned tokens; a map in, a map out (for segmentation and detection)."""

    def __init__(self, cluster: nn.Module, channels: int, *, n_tokens: int = 5, dropout: float = 0.1) -> None:
        """
        Args:
            cluster: a patch cluster.
            channels: C.
            n_tokens: learned tokens.
            dropout: of the feed-forward block.
        """
        super().__init__()
        self.tokens, self.cluster = nn.Parameter(torch.randn(n_tokens, channels)), cluster
        self.feed_forward = FeedForward(channels, dropout=dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Filter maps [B, C, h, w]."""
        x = maps.flatten(2).transpose(1, 2)  # [B, N, C]
        gain = 1 + relation(x, self.cluster(x, self.tokens)).unsqueeze(-1)
        return self.feed_forward(gain * x).transpose(1, 2).unflatten(2, maps.shape[-2:])  # [B, C, h, w]


def relation(tokens: Tensor, clusters: Tensor) -> Tensor:
    """Cosine of every token [..., N, C] with its cluster: [..., N]."""
    return (directions(tokens) * directions(clusters)).sum(-1)
