"""One linear map at every position: linear layers of tokens and 1x1 convolutions, on CPUs by way of oneDNN.

In float32 torch hands linear layers, and 1x1 convolutions of fewer than 16 pictures on one thread, to its BLAS, which
is MKL in the usual builds and reaches less than half of an AMD processor's speed. oneDNN's convolutions are fast
everywhere. A dilation means nothing to a 1x1 kernel, but with it torch chooses oneDNN; the numbers are the same up to
rounding. On other devices everything is left to torch.

Letters: C channels in, D channels out, H W map size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ONEDNN = torch.backends.mkldnn.is_available()
SMALLEST = 4096  # weights below which the plain layer is as fast


def pointwise(tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`: tokens [..., C] times weight [D, C], plus bias [D]; [..., D]."""
    if not _by_convolution(tokens, weight):
        return F.linear(tokens, weight, bias)
    maps = tokens.reshape(1, -1, 1, tokens.shape[-1]).permute(0, 3, 1, 2)  # [1, C, L, 1], channels last in memory
    out = F.conv2d(maps, weight[:, :, None, None], bias, dilation=2)
    return out.permute(0, 2, 3, 1).reshape(*tokens.shape[:-1], weight.shape[0])


def pointwise_maps(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 convolution of maps [N, C, H, W] with weight [D, C, 1, 1] and bias [D]; [N, D, H, W]."""
    return F.conv2d(maps, weight, bias, dilation=2 if _by_convolution(maps, weight) else 1)


class TokenLinear(nn.Linear):
    """A linear layer of tokens [..., C]."""

    def forward(self, tokens: Tensor) -> Tensor:
        return pointwise(tokens, self.weight, self.bias)


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution of maps [N, C, H, W]; fastest where they lie channels-last."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        return pointwise_maps(maps, self.weight, self.bias)


def _by_convolution(values: Tensor, weight: Tensor) -> bool:
    return (
        ONEDNN
        and values.device.type == "cpu"
        and values.dtype in (torch.float32, torch.bfloat16)
        and weight.numel() >= SMALLEST
        and values.numel() > 0  # a convolution refuses to have no positions
        and not torch.jit.is_tracing()  # what computes a graph chooses for itself
    )
