"""The transformer-based semantic filter (tSF; Lai, Yang, Liu, Chen, Wang, Zeng; ECCV 2022): a map in, a map out.

Letters: B maps, C channels, h w map size, N = h * w tokens, M filter tokens, A heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sccan.attention.feed_forward import FeedForward
from sccan.attention.interleaved_heads import TokenConv, interleaved_attention


class SemanticFilter(nn.Module):
    """Every position adds a mixture of a few learned filter tokens to itself; then a feed-forward block.

    There are no projections of queries, keys and values, and with one head no merging layer either. The published
    module holds three projections that nothing uses; they are left out (the paper's "less than 1M" parameters do not
    hold at 640 channels with or without them: 2,055,040 are used).
    """

    def __init__(self, channels: int, *, n_tokens: int = 5, heads: int = 4, dropout: float = 0.1) -> None:
        """
        Args:
            channels: C.
            n_tokens: M.
            heads: A, a divisor of C.
            dropout: of the feed-forward block.

        Raises ValueError: the channels do not divide into the heads.
        """
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.tokens = nn.Parameter(torch.randn(n_tokens, channels))
        self.merge: nn.Module | None = TokenConv(channels, channels) if heads > 1 else None
        self.feed_forward = FeedForward(channels, dropout=dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Filter maps [B, C, h, w]; the output is normed over channels and signed."""
        x = maps.flatten(2).transpose(1, 2)  # [B, N, C]
        message, _ = self.attend(x)
        return self.feed_forward(x + message).transpose(1, 2).unflatten(2, maps.shape[-2:])  # [B, C, h, w]

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the filter tokens say to tokens [B, N, C], of the same shape, and the weights [B, A, N, M]."""
        message, weights = interleaved_attention(x, self.tokens, self.tokens, self.heads)
        return message if self.merge is None else self.merge(message), weights
