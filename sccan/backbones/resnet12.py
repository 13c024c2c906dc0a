"""The ResNet-12 of CAN: stride in the middle convolution of every block, no pooling anywhere.

This is not the max-pooled, leaky ResNet-12 of MetaOptNet and DMF. Other few-shot methods use the same network with
other widths and strides, hence the arguments; the defaults are CAN's (NeurIPS 2019, published code).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone, Stage


class StridedResNet12(Backbone):
    """A 3x3 stem without stride and four stages of one three-convolution block each.

    Pictures of 84x84 become maps of 6x6 (every stage halves, rounding up). Parameter names are the published ones.
    """

    def __init__(
        self,
        *,
        stem: int = 64,
        widths: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        """
        Args:
            stem: channels of the stem.
            widths: channels of each stage.
            strides: stride of each stage, on the middle convolution of its block.

        Raises ValueError: the two sequences differ in length.
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"widths and strides describe the same stages, but there are {len(widths)}, {len(strides)}"
            )
        self.conv1, self.bn1 = conv3x3(3, stem), nn.BatchNorm2d(stem)
        self.stages: dict[str, Stage] = {}
        channels, stride = stem, 1
        for number, (width, step) in enumerate(zip(widths, strides, strict=True), start=1):
            self.add_module(f"layer{number}", nn.Sequential(StridedBlock(channels, width, step)))
            channels, stride = width, stride * step
            self.stages[f"layer{number}"] = Stage(channels, stride)
        self.start_from_fan_out()

    def stem(self, images: Tensor) -> Tensor:
        return F.relu(self.bn1(self.conv1(images)))


class StridedBlock(nn.Module):
    """Three 3x3 convolutions around a shortcut; a 1x1 projection where the shortcut would not fit."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(in_channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv3x3(channels, channels, stride), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = conv3x3(channels, channels), nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            projection = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + shortcut)


def conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    """A padded 3x3 convolution without bias."""
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
