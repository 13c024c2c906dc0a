"""The WRN-28-10 of FEAT and TasNet: biases everywhere, stride on a block's second convolution, raw shortcuts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Stage
from sccan.backbones.wide_body import WideBody


class RawShortcutWideResNet(WideBody):
    """Three stages of pre-activation blocks, whose shortcuts take the input before norm and activation.

    Not the `WideResNet` of other few-shot methods. The final norm and activation belong to the last stage as
    ``normed``. Parameter names are the published ones.
    """

    stage_name = "layer"

    def first(self, channels: int) -> nn.Module:
        return _conv3x3(3, channels)

    def block(self, in_channels: int, channels: int, stride: int, dropout: float) -> nn.Module:
        return RawShortcutBlock(in_channels, channels, stride, dropout)

    def end(self, channels: int, stride: int) -> None:
        self.stages["normed"] = Stage(channels, stride)
        self.bn1 = nn.BatchNorm2d(channels, momentum=0.9)

    def continued(self, name: str, maps: Tensor) -> Tensor:
        return F.relu(self.bn1(maps)) if name == "normed" else self.get_submodule(name)(maps)


class RawShortcutBlock(nn.Module):
    """Norm and activation before either convolution, around a shortcut of the raw input."""

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), _conv3x3(in_channels, channels)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), _conv3x3(channels, channels, stride)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut.append(nn.Conv2d(in_channels, channels, 1, stride=stride))

    def forward(self, x: Tensor) -> Tensor:
        out = F.dropout(self.conv1(F.relu(self.bn1(x))), self.dropout, self.training)
        return self.conv2(F.relu(self.bn2(out))) + self.shortcut(x)


def _conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1)
