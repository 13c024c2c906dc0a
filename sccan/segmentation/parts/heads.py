"""Heads that turn a map into logits: the ASPP head of PFENet, BAM and SCCAN, and PSPNet's pyramid head.

Letters: N maps, C channels, H W map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.pointwise import PointwiseConv2d
from sccan.segmentation.parts.enlarged import convolve_enlarged
from sccan.segmentation.parts.resize import resize

DENSE_HEAD_NAMES = (
    *((f"ASPP_meta.layer6_{number}.0.", f"head.aspp.branches.{number}.") for number in range(5)),
    ("res1_meta.0.", "head.reduce."),
    ("res2_meta.", "head.refine."),
    ("cls_meta.", "head.classify."),
)
"""Beginnings of published parameter names, and ours where a `DenseHead` is called ``head``."""


class DenseHead(nn.Module):
    """ASPP, a reduction, a residual refinement and a two-layer classifier."""

    def __init__(
        self,
        channels: int,
        *,
        dilations: Sequence[int] = (6, 12, 18),
        dropout: float = 0.1,
    ) -> None:
        """
        Args:
            channels: of the input and of every hidden map.
            dilations: of the ASPP's 3x3 branches.
            dropout: share of the channels dropped before the last convolution.
        """
        super().__init__()
        self.aspp = ASPP(channels, dilations)
        self.reduce = PointwiseConv2d(self.aspp.out_channels, channels, bias=False)
        self.refine = nn.Sequential(_conv3x3(channels), nn.ReLU(), _conv3x3(channels), nn.ReLU())
        self.classify = nn.Sequential(_conv3x3(channels), nn.ReLU(), nn.Dropout2d(dropout), nn.Conv2d(channels, 2, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits of background and foreground [N, 2, H, W] of maps [N, C, H, W]."""
        x = F.relu(self.reduce(self.aspp(maps)))
        return self.classify(x + self.refine(x))

    def start_at_zero(self) -> None:
        """The last convolution begins at zero: so does every logit, for heads that correct what another method says."""
        last = self.classify[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


class ASPP(nn.Module):
    """Global average, 1x1 and dilated 3x3 convolutions side by side, each with a ReLU and without a norm."""

    def __init__(self, channels: int, dilations: Sequence[int] = (6, 12, 18)) -> None:
        super().__init__()
        branches: list[nn.Conv2d] = [nn.Conv2d(channels, channels, 1), PointwiseConv2d(channels, channels)]
        branches += [nn.Conv2d(channels, channels, 3, padding=d, dilation=d) for d in dilations]
        for branch in branches:
            nn.init.kaiming_normal_(branch.weight)
        self.branches = nn.ModuleList(branches)
        self.out_channels = channels * len(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, C * branches, H, W]; the first C channels are the global branch, broadcast."""
        context, *local = self.branches
        whole = F.relu(context(maps.mean((-2, -1), keepdim=True)))
        # In the maps' layout, which a graph chooses for itself.
        whole = whole.expand_as(maps) if torch.jit.is_tracing() else torch.empty_like(maps).copy_(whole)
        return torch.cat([whole, *(F.relu(branch(maps)) for branch in local)], dim=1)


class PyramidHead(nn.Module):
    """PSPNet's head: the map beside averages of it over coarser and finer grids, and a two-layer classifier."""

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        *,
        channels: int = 512,
        bins: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        """
        Args:
            in_channels: of the map.
            n_classes: channels of the output.
            channels: of the hidden map.
            bins: cells per side of the grids; together they add as many channels as the map has.
            dropout: share of the channels dropped before the last convolution in training.
            norm_layer: `nn.BatchNorm2d` to train, `FrozenBatchNorm2d` to keep.
        """
        super().__init__()
        width = in_channels // len(bins)
        self.bins, self.width = tuple(bins), width
        branches = [nn.Sequential(nn.Conv2d(in_channels, width, 1, bias=False), norm_layer(width)) for _ in bins]
        self.branches = nn.ModuleList(branches)
        self.classify = nn.Sequential(
            nn.Conv2d(in_channels + width * len(bins), channels, 3, padding=1, bias=False),
            norm_layer(channels),
            nn.ReLU(),
            nn.Dropout2d(dropout),
            nn.Conv2d(channels, n_classes, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Logits [N, n_classes, H, W] of maps [N, C, H, W]."""
        if torch.jit.is_tracing():
            return self._written(maps)
        size = (maps.shape[-2], maps.shape[-1])
        first, *rest = self.classify
        # The first convolution sees the map and the grids enlarged to its size; the grids' share is had for less.
        assert isinstance(first, nn.Conv2d)
        weights = first.weight.split([maps.shape[1], *[self.width] * len(self.bins)], dim=1)
        hidden = F.conv2d(maps, weights[0], padding=1)
        for branch, side, weight in zip(self.branches, self.bins, weights[1:], strict=True):
            grid = F.relu(branch(F.adaptive_avg_pool2d(maps, side)))
            hidden = hidden + convolve_enlarged(grid, weight, size)
        for module in rest:
            hidden = module(hidden)
        return hidden

    def _written(self, maps: Tensor) -> Tensor:
        """The same by operations that a graph has."""
        height, width = int(maps.shape[-2]), int(maps.shape[-1])
        grids = [
            F.relu(branch(_averages(height, side) @ maps @ _averages(width, side).T))
            for branch, side in zip(self.branches, self.bins, strict=True)
        ]
        logits: Tensor = self.classify(torch.cat([maps, *(resize(grid, (height, width)) for grid in grids)], dim=1))
        return logits


def _averages(size: int, bins: int) -> Tensor:
    """What adaptive pooling makes of a side, as a matrix [bins, size]."""
    rows = torch.zeros(bins, size)
    for row in range(bins):
        first, end = row * size // bins, -(-(row + 1) * size // bins)
        rows[row, first:end] = 1 / (end - first)
    return rows


def _conv3x3(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)
