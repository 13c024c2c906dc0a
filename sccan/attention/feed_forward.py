"""The feed-forward block with residual and norm at the end that the SpatialFormer family shares."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.pointwise import TokenLinear


class FeedForward(nn.Module):
    """norm(y + drop(W_2 drop(relu(W_1 y + b_1)) + b_2)) on tokens with channels last."""

    def __init__(self, channels: int, *, dropout: float = 0.1) -> None:
        """
        Args:
            channels: of the tokens.
            dropout: share of values dropped in training, after either layer.
        """
        super().__init__()
        self.linear1, self.linear2 = TokenLinear(channels, 2 * channels), TokenLinear(2 * channels, channels)
        self.norm, self.dropout = nn.LayerNorm(channels), dropout

    def forward(self, tokens: Tensor, *, expanded: Tensor | None = None) -> Tensor:
        """Transform tokens [..., C].

        Args:
            tokens: y.
            expanded: W_1 y + b_1, [..., 2 C], where the caller gets it more cheaply.
        """
        expanded = self.linear1(tokens) if expanded is None else expanded
        out = self.linear2(F.dropout(F.relu(expanded), self.dropout, self.training))
        return self.norm(tokens + F.dropout(out, self.dropout, self.training))
