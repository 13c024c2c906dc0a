"""The WRN-28-10 of FEAT and TasNet: biases everywhere, stride on a block's second convolution, raw shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone, Stage


class RawShortcutWideResNet(Backbone):
    """Three stages of pre-activation blocks, whose shortcuts take the input before norm and activation.

    Not the `WideResNet` of other few-shot methods. The final norm and activation belong to the last stage as
    ``normed``. Parameter names are the published ones.
    """

    def __init__(
        self,
        *,
        stem: int = 16,
        widths: Sequence[int] = (160, 320, 640),
        strides: Sequence[int] = (1, 2, 2),
        blocks: int = 4,
        dropout: float = 0.5,
    ) -> None:
        """
        Args:
            stem: channels of the first convolution.
            widths: channels of each stage.
            strides: stride of each stage's first block.
            blocks: per stage.
            dropout: share of values dropped between the convolutions of a block, in training.

        Raises ValueError: widths and strides differ in length.
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"widths and strides describe the same stages, but there are {len(widths)}, {len(strides)}"
            )
        self.conv1 = _conv3x3(3, stem)
        self.stages: dict[str, Stage] = {}
        channels, stride = stem, 1
        for number, (width, step) in enumerate(zip(widths, strides, strict=True), start=1):
            first = RawShortcutBlock(channels, width, step, dropout)
            rest = (RawShortcutBlock(width, width, 1, dropout) for _ in range(blocks - 1))
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
            channels, stride = width, stride * step
            self.stages[f"layer{number}"] = Stage(channels, stride)
        self.stages["normed"] = Stage(channels, stride)
        self.bn1 = nn.BatchNorm2d(channels, momentum=0.9)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x, maps = self.conv1(images), {}
        for name in self.stages:
            x = self.continued(name, x)
            maps[name] = x
        return maps

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
