"""A batch norm whose statistics and weights never change.

torchvision has the same under the same name; importing it takes seconds, most of them for a compiler that is not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrozenBatchNorm2d(nn.Module):
    """Statistics, weight and bias are buffers; names and arithmetic are torchvision's, to the same bits."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        """
        Args:
            num_features: channels.
            eps: is added to the variance.
        """
        super().__init__()
        self.eps = eps
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), value))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: object) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # of a norm that was trained
        super()._load_from_state_dict(state_dict, prefix, *others)

    def forward(self, maps: Tensor) -> Tensor:
        """Normalised maps [N, C, H, W]."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        offset = self.bias - self.running_mean * scale
        return maps * scale[:, None, None] + offset[:, None, None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.weight)}, eps={self.eps})"
