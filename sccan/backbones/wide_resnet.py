"""The wide residual network of SpatialFormer and its relatives: shortcuts of activated inputs, average pooling."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.resnet12 import conv3x3
from sccan.backbones.stage import Stage
from sccan.backbones.wide_body import WideBody

POOL = 3
"""Window and stride of the average pooling at the end."""


class WideResNet(WideBody):
    """Three stages of pre-activation blocks, then norm, activation and an average pooling.

    Pictures of 84x84 become maps of 7x7 (stage ``pooled``). Parameter names are the published ones.
    """

    stage_name = "block"

    def first(self, channels: int) -> nn.Module:
        return conv3x3(3, channels)

    def block(self, in_channels: int, channels: int, stride: int, dropout: float) -> nn.Module:
        return PreActivationBlock(in_channels, channels, stride, dropout)

    def stage_of(self, layers: nn.Sequential) -> nn.Module:
        return nn.ModuleDict({"layer": layers})

    def end(self, channels: int, stride: int) -> None:
        self.stages["pooled"] = Stage(channels, stride * POOL)
        self.bn1 = nn.BatchNorm2d(channels)
        self.start_from_fan_out()

    def continued(self, name: str, maps: Tensor) -> Tensor:
        if name == "pooled":
            return F.avg_pool2d(F.relu(self.bn1(maps)), POOL)
        return self.get_submodule(f"{name}.layer")(maps)


class PreActivationBlock(nn.Module):
    """Norm and activation before either convolution.

    As published, a projecting shortcut takes the activated input, an identity shortcut the raw one.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), conv3x3(in_channels, channels, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), conv3x3(channels, channels)
        self.convShortcut: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.convShortcut = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.bn1(x))
        out = F.relu(self.bn2(self.conv1(activated)))
        out = self.conv2(F.dropout(out, self.dropout, self.training))
        return out + (x if self.convShortcut is None else self.convShortcut(activated))
