"""Wide residual networks (Zagoruyko and Komodakis, BMVC 2016) as few-shot classification uses them: WRN-28-10."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.resnet12 import conv3x3
from sccan.backbones.stage import Backbone, Stage

POOL = 3
"""Window and stride of the average pooling at the end."""


class WideResNet(Backbone):
    """Three stages of pre-activation blocks, then norm, activation and an average pooling.

    Pictures of 84x84 become maps of 7x7 (stage ``pooled``). Parameter names are the published ones.
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
            dropout: share of channels' values dropped between the convolutions of a block, in training.

        Raises ValueError: widths and strides differ in length.
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"widths and strides describe the same stages, but there are {len(widths)}, {len(strides)}"
            )
        self.conv1 = conv3x3(3, stem)
        self.stages: dict[str, Stage] = {}
        channels, stride = stem, 1
        for number, (width, step) in enumerate(zip(widths, strides, strict=True), start=1):
            steps = (step, *(1 for _ in range(blocks - 1)))
            inputs = (channels, *(width for _ in range(blocks - 1)))
            pairs = zip(inputs, steps, strict=True)
            layers = nn.Sequential(*(PreActivationBlock(n, width, s, dropout) for n, s in pairs))
            self.add_module(f"block{number}", nn.ModuleDict({"layer": layers}))
            channels, stride = width, stride * step
            self.stages[f"block{number}"] = Stage(channels, stride)
        self.stages["pooled"] = Stage(channels, stride * POOL)
        self.bn1 = nn.BatchNorm2d(channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x, maps = self.conv1(images), {}
        for name in self.stages:
            x = self.continued(name, x)
            maps[name] = x
        return maps

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
