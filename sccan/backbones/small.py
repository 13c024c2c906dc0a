"""A small residual network for small pictures: what a CPU can train in minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone, Stage

NormLayer = Callable[[int], nn.Module]


class SmallResNet(Backbone):
    """Three 3x3 convolutions, a max-pool, and four stages of basic blocks; output stride 8 by default.

    A stage with stride 1 and dilation 2 keeps the map's size and doubles the reach of its kernels instead. The output
    size of a side of S pixels is ceil(S / stride), so sides of the form 8n + 1 keep the corners aligned.
    """

    def __init__(
        self,
        *,
        stem: Sequence[int] = (16, 16, 32),
        widths: Sequence[int] = (32, 64, 96, 96),
        blocks: Sequence[int] = (2, 2, 2, 1),
        strides: Sequence[int] = (1, 2, 1, 1),
        dilations: Sequence[int] = (1, 1, 2, 2),
        norm_layer: NormLayer = nn.BatchNorm2d,
    ) -> None:
        """
        Args:
            stem: channels of the three stem convolutions; the first has stride 2.
            widths: channels of each stage.
            blocks: basic blocks of each stage.
            strides: stride of each stage's first block.
            dilations: dilation of each stage's 3x3 convolutions.
            norm_layer: makes the norm of a number of channels: `nn.BatchNorm2d` to train, `FrozenBatchNorm2d` to keep.

        Raises ValueError: the four sequences differ in length, or the stem is not three convolutions.
        """
        super().__init__()
        if len(stem) != 3:
            raise ValueError(f"the stem has three convolutions, but {len(stem)} widths were given")
        if len({len(widths), len(blocks), len(strides), len(dilations)}) != 1:
            raise ValueError(
                f"widths, blocks, strides and dilations describe the same stages, but their lengths are {len(widths)}, "
                f"{len(blocks)}, {len(strides)} and {len(dilations)}"
            )
        self.conv1, self.bn1 = _conv3x3(3, stem[0], stride=2), norm_layer(stem[0])
        self.conv2, self.bn2 = _conv3x3(stem[0], stem[1]), norm_layer(stem[1])
        self.conv3, self.bn3 = _conv3x3(stem[1], stem[2]), norm_layer(stem[2])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages: dict[str, Stage] = {}
        channels, stride = stem[2], 4
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            step, dilation = strides[number - 1], dilations[number - 1]
            layers = [BasicBlock(channels, width, step, dilation, norm_layer)]
            layers += [BasicBlock(width, width, 1, dilation, norm_layer) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*layers))
            channels, stride = width, stride * step
            self.stages[f"layer{number}"] = Stage(width, stride)
        self.start_from_fan_out()

    def stem(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.pool(F.relu(self.bn3(self.conv3(x))))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; unlike torchvision's block it can be dilated."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int, norm_layer: NormLayer) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv3x3(in_channels, channels, stride, dilation), norm_layer(channels)
        self.conv2, self.bn2 = _conv3x3(channels, channels, 1, dilation), norm_layer(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            projection = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, norm_layer(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + shortcut)


def _conv3x3(in_channels: int, channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
