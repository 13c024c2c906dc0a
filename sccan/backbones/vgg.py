"""VGG-16 with batch norms, as PFENet and BAM use it.

Names: the first two convolutions are ``conv1`` and ``conv2``, as those of the other backbones' stems; the modules of
a stage are numbered as in the published code, from 0 in every stage.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone, Stage

WIDTHS = {"layer1": (128, 128), "layer2": (256,) * 3, "layer3": (512,) * 3, "layer4": (512,) * 3}
STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 16}
FIRST_MODULES = {"layer1": 7, "layer2": 14, "layer3": 24, "layer4": 34}
"""Where a stage begins in torchvision's ``features``; three modules per convolution."""

TORCHVISION_NAMES = NameTable(
    [
        *((f"features.{3 * number}.", f"conv{number + 1}.") for number in range(2)),
        *((f"features.{3 * number + 1}.", f"bn{number + 1}.") for number in range(2)),
        *(
            (f"features.{FIRST_MODULES[stage] + offset}.", f"{stage}.{offset}.")
            for stage, widths in WIDTHS.items()
            for offset in range(3 * len(widths))
        ),
    ]
)
"""Names of torchvision's ``vgg16_bn`` and ours; its ``classifier`` is not kept."""


class VGG16(Backbone):
    """The 13 convolutions of VGG-16, each with a batch norm and a ReLU, without the last pool: output stride 16.

    Pools round up, so a side of 473 pixels gives 119, 60, 30 and 30 cells.
    """

    def __init__(self, *, norm_layer: Callable[[int], nn.Module] = FrozenBatchNorm2d) -> None:
        """
        Args:
            norm_layer: `FrozenBatchNorm2d` to use published weights, `nn.BatchNorm2d` to train.
        """
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, padding=1), norm_layer(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, padding=1), norm_layer(64)
        self.pool = _pool()
        self.stages = {}
        channels = 64
        for name, widths in WIDTHS.items():
            modules: list[nn.Module] = []
            for width in widths:
                modules += [nn.Conv2d(channels, width, 3, padding=1), norm_layer(width), nn.ReLU()]
                channels = width
            if name != "layer4":
                modules.append(_pool())
            self.add_module(name, nn.Sequential(*modules))
            self.stages[name] = Stage(channels, STRIDES[name])
        self.start_from_fan_out()

    def stem(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        return self.pool(F.relu(self.bn2(self.conv2(x))))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(2, stride=2, ceil_mode=True)
