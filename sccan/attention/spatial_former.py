"""The attention unit of SpatialFormer (AAAI 2023): where a map shows what a reference shows.

Letters: N tokens of the map, M tokens of the reference, C channels, A heads; for pairs: B episodes, W class maps,
Q query maps, m positions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.directions import directions
from sccan.attention.feed_forward import FeedForward
from sccan.attention.interleaved_heads import TokenConv, interleaved_attention
from sccan.attention.pairs import Pairs
from sccan.pointwise import pointwise


class Asking(NamedTuple):
    """What the unit needs of a map, computed once for any number of references."""

    tokens: Tensor  # [..., N, C]
    queries: Tensor  # [..., N, C]
    directions: Tensor  # tokens of length 1, [..., N, C]
    expanded: Tensor  # first layer of the feed-forward block, without bias, [..., N, 2 C]


class Answering(NamedTuple):
    """What the unit needs of a reference, computed once for any number of maps."""

    keys: Tensor  # [..., M, C]
    values: Tensor  # [..., M, C]; with one head they are merged already


class SpatialFormerUnit(nn.Module):
    """Attention decides how much of every token is kept, and not what is added to it.

    With the message x'_n that a token x_n gets from the reference by ordinary attention, a_n = <x_n, x'_n> of unit
    vectors, y_n = (1 + a_n) x_n, followed by a feed-forward block. For SFTA a_n is that cosine; for SFSA it is its
    softmax over positions. The paper's figure adds the map once more before the feed-forward block; the published
    code, followed here, does not.

    Both W_1 y = (1 + a) W_1 x and merge(A v) = A merge(v) (one head; rows of A sum to 1) are computed the cheap way,
    once per map instead of once per pair.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 1,
        temperature: float | None = None,
        dropout: float = 0.1,
        transformer: bool = False,
    ) -> None:
        """
        Args:
            channels: C.
            heads: A, a divisor of C.
            temperature: of the softmax over positions (SFSA: 0.025); None: the plain cosine (SFTA).
            dropout: of the feed-forward block.
            transformer: add the message to the token as an ordinary transformer does (the paper's ablation).

        Raises ValueError: the channels do not divide into the heads.
        """
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads, self.temperature, self.transformer = heads, temperature, transformer
        self.merge = TokenConv(channels, channels)
        self.query, self.key, self.value = (TokenConv(channels, channels) for _ in range(3))
        for layer in (self.query, self.key, self.value):
            layer.load_state_dict(self.merge.state_dict())
        self.feed_forward = FeedForward(channels, dropout=dropout)

    def forward(self, tokens: Tensor, reference: Tensor) -> Tensor:
        """Attend with tokens [..., N, C] to a reference [..., M, C]; leading dimensions broadcast."""
        return self.attend(self.asking(tokens), self.answering(reference))

    def asking(self, tokens: Tensor) -> Asking:
        expanded = pointwise(tokens, self.feed_forward.linear1.weight)
        return Asking(tokens, self.query(tokens), directions(tokens), expanded)

    def answering(self, reference: Tensor) -> Answering:
        values = self.value(reference)
        return Answering(self.key(reference), self.merge(values) if self.heads == 1 else values)

    def asking_once(self, tokens: Tensor, reference: Tensor) -> tuple[Asking, Answering]:
        """What `asking` and `answering` give, for a reference that serves these tokens alone.

        With one head the key layer moves over to the tokens, since q . (W r + b) = (q W) . r + q . b and a softmax
        does not see the latter, and the value and the merging layer become one: a product per token of the reference
        instead of three.
        """
        asking = self.asking(tokens)
        if self.heads > 1:
            return asking, self.answering(reference)
        merge, value = (layer.weight.squeeze(-1) for layer in (self.merge, self.value))
        bias = F.linear(self.value.bias, merge, self.merge.bias)  # type: ignore[arg-type]
        moved = pointwise(asking.queries, self.key.weight.squeeze(-1).T)
        return asking._replace(queries=moved), Answering(reference, pointwise(reference, merge @ value, bias))

    def attend(self, asking: Asking, answering: Answering) -> Tensor:
        """The transformed tokens, [..., N, C]."""
        message, _ = self.message(asking, answering)
        if self.transformer:
            return self.feed_forward(asking.tokens + message)
        weight = (asking.directions * directions(message)).sum(-1)  # [..., N]
        if self.temperature is not None:
            weight = (weight / self.temperature).softmax(-1)
        gain = 1 + weight.unsqueeze(-1)
        expanded = gain * asking.expanded + self.feed_forward.linear1.bias
        return self.feed_forward(gain * asking.tokens, expanded=expanded)

    def message(self, asking: Asking, answering: Answering) -> tuple[Tensor, Tensor]:
        """Messages after the merging layer, [..., N, C], and the weights [..., A, N, M]."""
        message, weights = interleaved_attention(asking.queries, *answering, self.heads)
        return message if self.heads == 1 else self.merge(message), weights


def paired_attention(unit: SpatialFormerUnit, class_tokens: Tensor, query_tokens: Tensor) -> Pairs:
    """SFSA: either map of every pair attends to the other, the class map first (SpatialFormer, section 3).

    One unit serves both directions. As published they are not simultaneous: the query map sees the class map that has
    been transformed already.

    Args:
        unit: with a temperature.
        class_tokens: [B, W, m, C].
        query_tokens: [B, Q, m, C].

    Returns:
        Tokens [B, Q, W, m, C] of both.
    """
    return attended_pairs(unit, unit.asking(class_tokens.unsqueeze(1)), query_tokens)


def attended_pairs(unit: SpatialFormerUnit, classes: Asking, query_tokens: Tensor) -> Pairs:
    """`paired_attention` for class maps [B, 1, W, m, C] that serve several calls."""
    queries = query_tokens.unsqueeze(2)
    new_classes = unit.attend(classes, unit.answering(queries))
    return Pairs(new_classes, unit.attend(*unit.asking_once(queries, new_classes)))


class SemanticPairs(nn.Module):
    """`paired_attention` as a block that takes class maps and query maps and gives pairs."""

    def __init__(self, unit: SpatialFormerUnit) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, class_tokens: Tensor, query_tokens: Tensor) -> Pairs:
        """Attend with class maps [B, W, m, C] and query maps [B, Q, m, C] to each other."""
        return paired_attention(self.unit, class_tokens, query_tokens)


class TargetFilter(nn.Module):
    """SFTA with a map in and a map out: every map attends to the weights of the classifier of base classes.

    No gradient flows to the classifier from here.
    """

    def __init__(self, unit: SpatialFormerUnit) -> None:
        super().__init__()
        self.unit = unit
        self._classifier: tuple[nn.Module, ...] = ()  # a tuple, so that its weights are not counted twice

    def attend_to(self, classifier: nn.Module) -> None:
        """Take the classifier, whose weight is [M, C, ...], from now on."""
        self._classifier = (classifier,)

    def forward(self, maps: Tensor) -> Tensor:
        """Filter maps [B, C, h, w]."""
        (classifier,) = self._classifier
        reference: Tensor = classifier.weight.detach().flatten(1)  # type: ignore[operator]
        out = self.unit(maps.flatten(2).transpose(1, 2), reference)
        return out.transpose(1, 2).unflatten(2, maps.shape[-2:])  # [B, C, h, w]
