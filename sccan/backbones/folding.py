"""Frozen norms folded into the convolutions before them: fewer passes, the same numbers up to rounding."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.stage import Backbone
from sccan.pointwise import PointwiseConv2d

AnyBackbone = TypeVar("AnyBackbone", bound=Backbone)


def fold_frozen_norms(backbone: AnyBackbone) -> AnyBackbone:
    """A copy that is folded; the original is untouched. See `fold_in_place`."""
    return fold_in_place(copy.deepcopy(backbone))


def fold_in_place(backbone: AnyBackbone) -> AnyBackbone:
    """The backbone itself, whose convolutions do from now on, for inference, what convolution and norm did.

    With scale s = w / sqrt(var + eps), weights become weights * s, and the bias b - mean * s. Names of its parameters
    differ then, so it is folded after loading and is not meant to be saved.

    Args:
        backbone: frozen; in every module of it, a norm that was registered right after a convolution of as many
            channels also computes right after it.

    Raises ValueError: the backbone is not frozen, so its norms may still change.
    """
    if not backbone.frozen:
        raise ValueError("only a frozen backbone can be folded; call freeze() first")
    for module, conv_name, norm_name in list(_foldable(backbone)):
        conv, norm = getattr(module, conv_name), getattr(module, norm_name)
        setattr(module, conv_name, _folded(conv, norm))
        setattr(module, norm_name, getattr(norm, "act", nn.Identity()))  # timm's norms may hold the activation
    return backbone


def is_folded(backbone: Backbone) -> bool:
    """Whether it holds no norm any more that `fold_in_place` would fold."""
    return next(_foldable(backbone), None) is None


def _foldable(backbone: Backbone) -> Iterator[tuple[nn.Module, str, str]]:
    """Every module that holds a convolution with its norm behind it, and their names there."""
    for module in backbone.modules():
        for (conv_name, conv), (norm_name, norm) in itertools.pairwise(module.named_children()):
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d))):
                continue
            if isinstance(norm.running_mean, Tensor) and len(norm.running_mean) == conv.out_channels:
                yield module, conv_name, norm_name


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | FrozenBatchNorm2d) -> nn.Conv2d:
    """The convolution with the norm in its weights; 1x1 convolutions become the kind that is fast on CPUs."""
    mean, variance = norm.running_mean, norm.running_var
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    with torch.no_grad():
        weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias)
    if (conv.kernel_size, conv.stride, conv.padding, conv.groups) == ((1, 1), (1, 1), (0, 0), 1):
        with torch.device("meta"):  # weights follow, and no random number is drawn
            conv = PointwiseConv2d(conv.in_channels, conv.out_channels)
    conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
    conv.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return conv
