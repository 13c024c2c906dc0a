"""Multi-head attention whose head index is the fast one: channel = d * heads + head (as in SuperGlue's code).

Weights trained with this layout give other numbers in the usual one, where the head index is the slow one.
Letters: N tokens that ask, M tokens that answer, C channels, A heads, D = C / A.
"""

from __future__ import annotations

from torch import Tensor, nn

from sccan.attention.pairs import affinities, mixtures
from sccan.pointwise import pointwise


class TokenConv(nn.Conv1d):
    """A 1x1 convolution on tokens with channels last, [..., N, C]; the weight keeps the published shape [C', C, 1]."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(in_channels, channels, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return pointwise(tokens, self.weight.squeeze(-1), self.bias)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """[..., N, C] as [..., A, N, D].

    Raises ValueError: the channels do not divide into so many heads.
    """
    channels = tokens.shape[-1]
    if channels % heads:
        raise ValueError(f"{channels} channels do not divide into {heads} heads")
    return tokens.unflatten(-1, (channels // heads, heads)).movedim(-1, -3)


def interleaved_attention(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention; leading dimensions broadcast.

    Args:
        queries: [..., N, C].
        keys: [..., M, C].
        values: [..., M, C].
        heads: A.

    Returns:
        Messages [..., N, C], and the weights [..., A, N, M], whose rows sum to 1.
    """
    q, k, v = (split_heads(part, heads) for part in (queries, keys, values))  # [..., A, N or M, D]
    weights = (affinities(q, k) / q.shape[-1] ** 0.5).softmax(-1)
    return mixtures(weights, v).movedim(-3, -1).flatten(-2), weights
