"""The dilated deep-stem ResNet of the few-shot segmentation lineage (PFENet, BAM, SCCAN).

Its stem is three 3x3 convolutions where torchvision's ResNet has one 7x7; its last two stages are dilated instead of
strided, so that the output stride is 8. Weights are published as ``resnet50_v2.pth`` and ``resnet101_v2.pth``; names
and shapes of this module are those of these files, less the classifier ``fc``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.stage import Backbone, Stage
from sccan.errors import InputError

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
STRIDES = (1, 2, 1, 1)
BAM_DILATIONS = ((1, 1), (1, 1), (2, 2), (4, 4))
"""Per stage: PFENet and BAM dilate the first block of a stage as much as the others."""


class DeepStemResNet(Backbone):
    """Deep-stem ResNet of bottleneck blocks with output stride 8.

    For a side of 473 pixels: layer1 119, layer2, layer3 and layer4 60 cells.
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        norm_layer: Callable[[int], nn.Module] = FrozenBatchNorm2d,
        dilations: Sequence[tuple[int, int]] = ((1, 1), (1, 1), (1, 2), (2, 4)),
    ) -> None:
        """
        Args:
            depth: 50, 101 or 152.
            norm_layer: `FrozenBatchNorm2d` to use published weights, `nn.BatchNorm2d` to train.
            dilations: per stage, of the first block's 3x3 convolution and of the other blocks'. The default is
                SCCAN's, where the first block of a dilated stage keeps the previous stage's dilation; for BAM's see
                `BAM_DILATIONS`.

        Raises InputError: no such depth.
        """
        from torchvision.models.resnet import Bottleneck  # torchvision takes seconds to import

        super().__init__()
        if depth not in BLOCKS:
            raise InputError(
                f"there is no deep-stem ResNet of depth {depth}; choose one of {', '.join(map(str, BLOCKS))}"
            )
        self.conv1, self.bn1 = _conv3x3(3, 64, stride=2), norm_layer(64)
        self.conv2, self.bn2 = _conv3x3(64, 64), norm_layer(64)
        self.conv3, self.bn3 = _conv3x3(64, 128), norm_layer(128)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = {}
        channels, stride = 128, 4
        for number, (width, count, step) in enumerate(zip(WIDTHS, BLOCKS[depth], STRIDES, strict=True), start=1):
            first, rest = dilations[number - 1]
            expanded = width * Bottleneck.expansion
            projection = nn.Conv2d(channels, expanded, 1, stride=step, bias=False)
            shortcut = nn.Sequential(projection, norm_layer(expanded))
            # Positions 5 and 6 are torchvision's groups and width per group: plain convolutions.
            blocks = [Bottleneck(channels, width, step, shortcut, 1, 64, first, norm_layer)]
            blocks += [Bottleneck(expanded, width, 1, None, 1, 64, rest, norm_layer) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            channels, stride = expanded, stride * step
            self.stages[f"layer{number}"] = Stage(channels, stride)
        self.start_from_fan_out()

    def stem(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return self.pool(F.relu(self.bn3(self.conv3(x)), inplace=True))


def _conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
