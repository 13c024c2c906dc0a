"""Clustered-patch element connection (CECNet; Lai, Yang, Zhou, Wu, Chen, Liu, Gao, Wang, Zheng; IJCAI 2023).

Every element of one map is described by a mixture of the patches of another (a patch cluster), and how well that works
is its relation. Letters: N tokens, M tokens of the source, C channels; for pairs: B episodes, W class maps, Q query
maps, m positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.directions import EPSILON, directions
from sccan.attention.feed_forward import FeedForward
from sccan.attention.interleaved_heads import TokenConv, interleaved_attention
from sccan.attention.pairs import Pairs, affinities, apart, mixtures
from sccan.pointwise import pointwise

CLUSTER_HEADS = 4
"""Of the transformer cluster, as published."""
SLOPE = 0.2
"""Of the graph cluster's leaky activation."""
SMALLEST_SQUARE = 1e-24
"""Of a length, so that its root has a derivative at 0."""


class PatchCluster(nn.Module, ABC):
    """A mixture of the patches of a source for every token, and how well it describes the token."""

    @abstractmethod
    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Clusters [..., N, C] for tokens [..., N, C] of a source [..., M, C]; leading dimensions broadcast."""

    def relation(
        self, tokens: Tensor, source: Tensor, token_weights: Tensor | None = None, source_weights: Tensor | None = None
    ) -> Tensor:
        """Cosine of every token with its cluster, [..., N].

        Args:
            tokens: [..., N, C].
            source: [..., M, C].
            token_weights: positive factors of the tokens, [..., N]; None: 1.
            source_weights: likewise of the source, [..., M].
        """
        tokens, source = weighted(tokens, token_weights), weighted(source, source_weights)
        return relation(tokens, self(tokens, source))


class PlainCluster(PatchCluster):
    """Weights of the mixture are a softmax of scores that follow from products and lengths alone.

    Then the cosine of token and cluster does as well: with products A = X R^T of a pair, Gram matrix G = R R^T of the
    source and mixture B, x_n . c_n = sum_m B_nm A_nm and |c_n|^2 = (B G B^T)_nn. So neither clusters nor weighted maps
    of pairs are formed, only matrices [N, M]; G is made once per map.
    """

    @abstractmethod
    def factors(self, lengths: Tensor, weights: Tensor) -> Tensor:
        """What products of weighted tokens are multiplied by on either side, for tokens of these lengths, [..., N]."""

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        return mixtures(self.shares(tokens, source), source)

    def shares(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Weights of the mixture, [..., N, M]; every row sums to 1."""
        one = tokens.new_ones(())
        token_side = self.factors(tokens.norm(dim=-1), one).unsqueeze(-1)
        source_side = self.factors(source.norm(dim=-1), one).unsqueeze(-2)
        return (affinities(tokens, source) * token_side * source_side).softmax(-1)

    def relation(
        self, tokens: Tensor, source: Tensor, token_weights: Tensor | None = None, source_weights: Tensor | None = None
    ) -> Tensor:
        one = tokens.new_ones(())
        of_tokens, of_source = (one if given is None else given for given in (token_weights, source_weights))
        products, gram = affinities(tokens, source), affinities(source, source)  # [..., N, M], [..., M, M]
        lengths = tokens.norm(dim=-1)
        token_side = self.factors(lengths, of_tokens).unsqueeze(-1)
        source_side = self.factors(source.norm(dim=-1), of_source).unsqueeze(-2)
        shares = (products * token_side * source_side).softmax(-1)
        mixed = shares if source_weights is None else shares * source_weights.unsqueeze(-2)
        along = of_tokens * (mixed * products).sum(-1)
        squares = (mixtures(mixed, gram) * mixed).sum(-1)
        cluster_lengths = squares.clamp_min(SMALLEST_SQUARE).sqrt()
        return along / ((of_tokens * lengths + EPSILON) * (cluster_lengths + EPSILON))


class MatMulCluster(PlainCluster):
    """Weights are the softmax of plain products."""

    def factors(self, lengths: Tensor, weights: Tensor) -> Tensor:
        return weights.expand_as(lengths) if weights.dim() == 0 else weights


class CosineCluster(PlainCluster):
    """Weights are the softmax of cosines; without a temperature the mixture is nearly uniform, as published."""

    def factors(self, lengths: Tensor, weights: Tensor) -> Tensor:
        return weights / (weights * lengths + EPSILON)


class GraphCluster(PatchCluster):
    """`CosineCluster`, then a layer as in a graph network; applied to the source, since it commutes with a mixture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix, self.cosine = TokenConv(channels, channels), CosineCluster()

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        return F.leaky_relu(mixtures(self.cosine.shares(tokens, source), self.mix(source)), SLOPE)


class TransformerCluster(PatchCluster):
    """Multi-head attention and a two-layer network on token and message side by side; nothing is added to the token.

    Norm statistics are over all tokens of a call, so that in training the pairs of an episode interact. The first
    layer is applied to tokens and messages apart, since W [x ; y] = W_x x + W_y y: once per map instead of per pair.
    The merging layer of the attention goes into W_y.
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
        merged = of_message @ self.merge.weight.squeeze(-1)
        bias = F.linear(self.merge.bias, of_message, self.expand.bias)  # type: ignore[arg-type]
        hidden = pointwise(message, merged, bias) + pointwise(tokens, of_token)
        normed = self.norm(hidden.flatten(0, -2)).view_as(hidden)
        return self.reduce(F.relu(normed))


CLUSTERS: dict[str, Callable[[int], PatchCluster]] = {
    "matmul": lambda channels: MatMulCluster(),
    "cosine": lambda channels: CosineCluster(),
    "gcn": GraphCluster,
    "transformer": TransformerCluster,
}
"""The paper's four kinds of patch clusters, given the number of channels."""


class Connected(NamedTuple):
    """Two maps, the weights that their relations give to their elements, and the relations."""

    left: Tensor  # [..., N, C]
    right: Tensor  # [..., M, C]
    left_weights: Tensor  # in (1, 2], [..., N]
    right_weights: Tensor  # [..., M]
    left_relation: Tensor  # cosines of elements with their clusters, [..., N]
    right_relation: Tensor  # [..., M]

    def weighted(self) -> tuple[Tensor, Tensor]:
        """The maps with their elements enhanced, as the paper has them."""
        return weighted(self.left, self.left_weights), weighted(self.right, self.right_weights)


class ElementConnection(nn.Module):
    """CECM: the elements of either map that are related to the other map are enhanced.

    Both maps are connected simultaneously, by one cluster: r_n = cosine(x_n, c_n), x'_n = x_n (1 + softmax_n(r / t)).
    """

    def __init__(self, cluster: PatchCluster, *, temperature: float = 0.025) -> None:
        """
        Args:
            cluster: of patches.
            temperature: t.
        """
        super().__init__()
        self.cluster, self.temperature = cluster, temperature

    def forward(self, left: Tensor, right: Tensor) -> Connected:
        """Connect maps [..., N, C] and [..., M, C]; leading dimensions broadcast."""
        of_left, of_right = self.cluster.relation(left, right), self.cluster.relation(right, left)
        return Connected(left, right, self.weights(of_left), self.weights(of_right), of_left, of_right)

    def alone(self, maps: Tensor) -> Tensor:
        """Self-CECM: maps [..., N, C] connected with themselves (from the paper; no published code has it)."""
        return weighted(maps, self.weights(self.cluster.relation(maps, maps)))

    def weights(self, relations: Tensor) -> Tensor:
        """1 + softmax of relations [..., N] over positions."""
        return 1 + (relations / self.temperature).softmax(-1)


class ConnectedPairs(nn.Module):
    """`one_to_one` as a block that takes class maps and query maps and gives pairs."""

    def __init__(self, connection: ElementConnection) -> None:
        super().__init__()
        self.connection = connection

    def forward(self, class_tokens: Tensor, query_tokens: Tensor) -> Pairs:
        """Connect class maps [B, W, m, C] with query maps [B, Q, m, C]."""
        return Pairs(*one_to_one(self.connection, apart(class_tokens, query_tokens)).weighted())


def one_to_one(connection: ElementConnection, pairs: Pairs) -> Connected:
    """Every class map with every query map: classes left, queries right, weights [B, Q, W, m]."""
    return connection(*pairs)


def one_to_many(connection: ElementConnection, pairs: Pairs) -> Connected:
    """Every query map with the tokens of all class maps together; the query's result is shared by its pairs.

    Args:
        connection: with any cluster.
        pairs: whose query maps are the same for all classes.

    Returns:
        Classes left with weights [B, Q, W, m], queries right with weights [B, Q, 1, m].

    Raises ValueError: the query maps differ from class to class.
    """
    if pairs.queries.shape[2] != 1:
        raise ValueError("a query map that differs from class to class cannot meet all class maps together")
    ways = pairs.classes.shape[2]
    together = pairs.classes.transpose(2, 3).flatten(2, 3)  # [B, 1 or Q, m * W, C]
    found: Connected = connection(together, pairs.queries.squeeze(2))
    left, relations = (
        part.unflatten(2, (-1, ways)).transpose(2, 3) for part in (found.left_weights, found.left_relation)
    )
    return Connected(*pairs, left, found.right_weights.unsqueeze(2), relations, found.right_relation.unsqueeze(2))


class ElementFilter(nn.Module):
    """CECE: a map is connected with a few learned tokens; a map in, a map out (for segmentation and detection)."""

    def __init__(self, cluster: PatchCluster, channels: int, *, n_tokens: int = 5, dropout: float = 0.1) -> None:
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
        gain = 1 + self.cluster.relation(x, self.tokens).unsqueeze(-1)
        return self.feed_forward(gain * x).transpose(1, 2).unflatten(2, maps.shape[-2:])  # [B, C, h, w]


def relation(tokens: Tensor, clusters: Tensor) -> Tensor:
    """Cosine of every token [..., N, C] with its cluster: [..., N]."""
    return (directions(tokens) * directions(clusters)).sum(-1)


def weighted(tokens: Tensor, weights: Tensor | None) -> Tensor:
    """Tokens [..., N, C] times their weights [..., N], if there are any."""
    return tokens if weights is None else tokens * weights.unsqueeze(-1)
