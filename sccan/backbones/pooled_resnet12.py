"""The ResNet-12 without a stem whose blocks end in a leaky activation and max-pooling (DeepBDC's, CVPR 2022).

The SpatialFormer family calls it ResNet12-BDC. Not to be confused with the strided one of `resnet12`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.resnet12 import conv3x3
from sccan.backbones.stage import Backbone, Stage

SLOPE = 0.1
"""Of the leaky activations below zero."""


class PooledResNet12(Backbone):
    """Four blocks of three 3x3 convolutions without stride; every block ends in max-pooling that rounds down.

    Pictures of 84x84 become maps of 10x10. Parameter names are the published ones. The published network also holds a
    DropBlock of rate 0, which never acts and is left out.
    """

    def __init__(
        self, *, widths: Sequence[int] = (64, 160, 320, 640), pools: Sequence[int] = (2, 2, 2, 1)
    ) -> None:
        """
        Args:
            widths: channels of each stage.
            pools: window and stride of each stage's pooling; 1: none.

        Raises ValueError: the two sequences differ in length.
        """
        super().__init__()
        if len(widths) != len(pools):
            raise ValueError(f"widths and pools describe the same stages, but there are {len(widths)}, {len(pools)}")
        self.stages: dict[str, Stage] = {}
        channels, stride = 3, 1
        for number, (width, pool) in enumerate(zip(widths, pools, strict=True), start=1):
            self.add_module(f"layer{number}", nn.Sequential(PooledBlock(channels, width, pool)))
            channels, stride = width, stride * pool
            self.stages[f"layer{number}"] = Stage(channels, stride)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x, maps = images, {}
        for name in self.stages:
            x = self.get_submodule(name)(x)
            maps[name] = x
        return maps


class PooledBlock(nn.Module):
    """Three 3x3 convolutions beside a 1x1 projection, then max-pooling."""

    def __init__(self, in_channels: int, channels: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.conv1, self.bn1 = conv3x3(in_channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv3x3(channels, channels), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = conv3x3(channels, channels), nn.BatchNorm2d(channels)
        projection = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = F.leaky_relu(self.bn1(self.conv1(x)), SLOPE)
        out = F.leaky_relu(self.bn2(self.conv2(out)), SLOPE)
        out = F.leaky_relu(self.bn3(self.conv3(out)) + self.downsample(x), SLOPE)
        return F.max_pool2d(out, self.pool) if self.pool > 1 else out
