"""The four-convolution backbone of the relation network (Sung et al., CVPR 2018) and its wider relatives."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sccan.backbones.stage import Backbone, Stage

POOLED_LAYERS = 2
"""The first layers have no padding and end in max-pooling; the others keep the size."""


class Conv4(Backbone):
    """Four layers of convolution, norm and activation; pictures of 84x84 become maps of 19x19.

    Parameter names are the published ones.
    """

    def __init__(self, *, widths: Sequence[int] = (64, 128, 256, 512), momentum: float = 1.0) -> None:
        """
        Args:
            widths: channels of each layer (512-channel variant; the plain network has 64 everywhere).
            momentum: of the norms; 1, as published, makes the running statistics those of the last batch.
        """
        super().__init__()
        self.stages: dict[str, Stage] = {}
        channels, stride = 3, 1
        for number, width in enumerate(widths, start=1):
            pooled = number <= POOLED_LAYERS
            parts: list[nn.Module] = [
                nn.Conv2d(channels, width, 3, padding=0 if pooled else 1),
                nn.BatchNorm2d(width, momentum=momentum),
                nn.ReLU(),
            ]
            if pooled:
                parts.append(nn.MaxPool2d(2))
                stride *= 2
            self.add_module(f"layer{number}", nn.Sequential(*parts))
            channels = width
            self.stages[f"layer{number}"] = Stage(channels, stride)
