"""EfficientNet-Lite 0 and 1, the networks of the default models, under timm's names.

Tan, Le, EfficientNet (ICML 2019), in the variant for small devices: ReLU6, no squeeze and excitation. Names, shapes and
arithmetic are those of timm's ``tf_efficientnet_lite0`` and ``1``; building them here saves the import of timm, which
takes longer than to find the first mask. Convolutions with a stride are padded as TensorFlow does it (SAME).
"""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = {"tf_efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1), "tf_efficientnet_lite1": (1, 3, 3, 4, 4, 5, 1)}
"""timm's name -> blocks of every stage."""
STEM, HEAD, EXPANSION, EPS = 32, 1280, 6, 1e-3
WIDTHS = (16, 24, 40, 80, 112, 192, 320)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
LISTED = {0: 1, 1: 2, 2: 3, 4: 5, 6: 7}
"""Stages that timm lists, one per stride, and the numbers that it gives them."""
OUTPUT_STRIDES = (8, 16, 32)


class EfficientNetLite(nn.Module):
    """The network without its classifier, with random weights.

    Attributes:
        feature_info, pretrained_cfg: what timm says of the same network.
    """

    def __init__(self, model: str, *, output_stride: int = 0) -> None:
        """
        Args:
            model: one of `DEPTHS`.
            output_stride: pixels per cell of the last map: 8, 16 or 32 (also 0); blocks are dilated instead of strided.

        Raises ValueError: another output stride.
        """
        super().__init__()
        if (largest := output_stride or OUTPUT_STRIDES[-1]) not in OUTPUT_STRIDES:
            raise ValueError(f"expected an output stride of {', '.join(map(str, OUTPUT_STRIDES))}")
        self.conv_stem, self.bn1 = SameConv2d(3, STEM, 3, 2), NormAct2d(STEM)
        stages, self.feature_info = [], []
        channels, reached, dilation = STEM, 2, 1
        for number, (width, kernel, stride, depth) in enumerate(
            zip(WIDTHS, KERNELS, STRIDES, DEPTHS[model], strict=True)
        ):
            step = stride if reached * stride <= largest else 1
            blocks: list[nn.Module] = []
            for place in range(depth):
                if number:
                    blocks.append(InvertedResidual(channels, width, kernel, 1 if place else step, dilation))
                else:
                    blocks.append(SeparableConvolution(channels, width, kernel))
                channels = width
                if not place and step != stride:  # what follows a stride that is not made sees as far as if it were
                    dilation *= stride
            reached *= step
            stages.append(nn.Sequential(*blocks))
            if number in LISTED:
                self.feature_info.append(
                    {"stage": LISTED[number], "reduction": reached, "module": f"blocks.{number}", "num_chs": width}
                )
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = Conv2d(channels, HEAD, 1, bias=False), NormAct2d(HEAD)
        self.pretrained_cfg: dict[str, Any] = {
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "classifier": "classifier",
            "license": "apache-2.0",
            "hf_hub_id": f"timm/{model}.in1k",
        }

    def forward_features(self, images: Tensor) -> Tensor:
        """The last map, [N, 1280, h, w], of pictures [N, 3, H, W]."""
        maps: Tensor = self.blocks(self.bn1(self.conv_stem(images)))
        return self.bn2(self.conv_head(maps))


class SeparableConvolution(nn.Module):
    """A convolution per channel, then one per pixel: the first block, which neither expands nor adds its input."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = _depthwise(channels, kernel, 1, 1), NormAct2d(channels)
        self.conv_pw, self.bn2 = Conv2d(channels, width, 1, bias=False), NormAct2d(width, active=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(maps))))


class InvertedResidual(nn.Module):
    """Expand, convolve every channel, project; the input is added where it has the same shape."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        expanded = channels * EXPANSION
        self.adds = channels == width and stride == 1
        self.conv_pw, self.bn1 = Conv2d(channels, expanded, 1, bias=False), NormAct2d(expanded)
        self.conv_dw, self.bn2 = _depthwise(expanded, kernel, stride, dilation), NormAct2d(expanded)
        self.conv_pwl, self.bn3 = Conv2d(expanded, width, 1, bias=False), NormAct2d(width, active=False)

    def forward(self, maps: Tensor) -> Tensor:
        found = self.bn2(self.conv_dw(self.bn1(self.conv_pw(maps))))
        found = self.bn3(self.conv_pwl(found))
        return found + maps if self.adds else found


class NormAct2d(nn.BatchNorm2d):
    """A batch norm that holds what follows it, as timm's ``BatchNormAct2d``."""

    def __init__(self, channels: int, *, active: bool = True) -> None:
        super().__init__(channels, eps=EPS)
        self.drop = nn.Identity()
        self.act = nn.ReLU6(inplace=True) if active else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        normalised: Tensor = self.act(super().forward(maps))
        return normalised


class Conv2d(nn.Conv2d):
    """A convolution that draws its weights once, as timm does in the end: normal, by what goes out of it."""

    def reset_parameters(self) -> None:
        fan_out = math.prod(self.kernel_size) * self.out_channels // self.groups
        nn.init.normal_(self.weight, 0, math.sqrt(2 / fan_out))


class SameConv2d(Conv2d):
    """A convolution with a stride, padded so that ceil(H / stride) rows come out; of an odd margin more lies behind."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, *, groups: int = 1) -> None:
        super().__init__(channels, width, kernel, stride, groups=groups, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        margins = [max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in maps.shape[-2:]]
        height, width = margins
        # Where the margin is odd, the kernel gets a zero in front: cheaper than a padded copy of the maps.
        weight = F.pad(self.weight, (width % 2, 0, height % 2, 0))
        padding = [(margin + 1) // 2 for margin in margins]
        return F.conv2d(maps, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def for_whole_cells(self) -> nn.Conv2d:
        """A plain convolution that computes the same of maps whose sides are multiples of the stride."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        odd = (kernel - stride) % 2
        plain = nn.Conv2d(
            self.in_channels, self.out_channels, kernel + odd, stride, (kernel - stride + 1) // 2, groups=self.groups,
            bias=self.bias is not None, device="meta",
        )  # fmt: skip
        plain.weight = nn.Parameter(F.pad(self.weight.detach(), (odd, 0, odd, 0)), requires_grad=False)
        plain.bias = self.bias
        return plain


def _depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    if stride > 1:
        return SameConv2d(channels, channels, kernel, stride, groups=channels)
    margin = dilation * (kernel - 1) // 2
    return Conv2d(channels, channels, kernel, 1, margin, dilation, channels, bias=False)
