"""Backbones of few-shot classification from settings: a plain table of constructors."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.attention.spatial_former import TargetFilter
from sccan.backbones.conv4 import Conv4
from sccan.backbones.necked import NeckedBackbone
from sccan.backbones.pixels import Pixels
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.wide_resnet import WideResNet
from sccan.backbones.wide_resnet_raw import RawShortcutWideResNet
from sccan.builders.backbones import TIMM, keeps_frozen, require_sides, timm_from
from sccan.builders.choices import require_choice
from sccan.builders.necks import NECKS, plug_in
from sccan.classification.data.transforms.fixed import CONSTANTS
from sccan.errors import InputError


def _resnet12(cfg: CfgNode) -> Backbone:
    node = cfg.BACKBONE.RESNET12
    return StridedResNet12(stem=node.STEM, widths=node.WIDTHS, strides=node.STRIDES)


def _resnet12_pooled(cfg: CfgNode) -> Backbone:
    node = cfg.BACKBONE.RESNET12_POOLED
    backbone = PooledResNet12(
        widths=node.WIDTHS,
        strides=node.STRIDES,
        round_up=node.ROUND_UP,
        drop_rate=node.DROP_RATE,
        block_size=node.BLOCK_SIZE,
        ramp=node.RAMP,
        count_evaluation=node.COUNT_EVALUATION,
    )
    stride = backbone.stages[last_stage(backbone)].stride
    height, width = (-(-side // stride) if node.ROUND_UP else side // stride for side in cfg.PICTURE.SIZE)
    if node.DROP_RATE and not 1 <= node.BLOCK_SIZE <= min(height, width):
        raise InputError(
            f"BACKBONE.RESNET12_POOLED.BLOCK_SIZE is {node.BLOCK_SIZE}, but must lie between 1 and the smaller side of "
            f"the last map, which is {height}x{width} for pictures of {'x'.join(map(str, cfg.PICTURE.SIZE))}"
        )
    return backbone


def _wrn28_10(cfg: CfgNode) -> Backbone:
    return WideResNet()


def _wrn28_10_raw(cfg: CfgNode) -> Backbone:
    return RawShortcutWideResNet()


def _conv4(cfg: CfgNode) -> Backbone:
    node = cfg.BACKBONE.CONV4
    return Conv4(widths=node.WIDTHS, momentum=node.MOMENTUM)


def _timm(cfg: CfgNode) -> Backbone:
    if cfg.PICTURE.CHANNELS != "rgb":
        raise InputError(f"PICTURE.CHANNELS is {cfg.PICTURE.CHANNELS!r}, but networks of timm take 'rgb'")
    require_choice("PICTURE.CONSTANTS", cfg.PICTURE.CONSTANTS, CONSTANTS)
    require_sides(cfg, "PICTURE.SIZE", cfg.PICTURE.SIZE)
    mean, std = CONSTANTS[cfg.PICTURE.CONSTANTS]
    return timm_from(cfg, Pixels((mean[0], mean[1], mean[2]), (std[0], std[1], std[2])))


BACKBONES: dict[str, Callable[[CfgNode], Backbone]] = {
    "conv4": _conv4,
    "resnet12": _resnet12,
    "resnet12_pooled": _resnet12_pooled,
    "wrn28_10_raw": _wrn28_10_raw,
    "wrn28_10": _wrn28_10,
    TIMM: _timm,
}
"""BACKBONE.NAME -> constructor, with norms that learn."""


def last_stage(backbone: Backbone) -> str:
    """Name of the deepest maps."""
    return list(backbone.stages)[-1]


@torch.no_grad()
def map_size(cfg: CfgNode, backbone: Backbone) -> tuple[int, int]:
    """Height and width of the deepest maps of pictures of PICTURE.SIZE: what a copy of the backbone makes of one.

    Strides alone do not tell: some backbones round down, and some pad nothing.
    """
    bare = copy.deepcopy(backbone.bare if isinstance(backbone, NeckedBackbone) else backbone).eval()
    height, width = bare(torch.zeros(1, 3, *cfg.PICTURE.SIZE))[last_stage(backbone)].shape[-2:]
    return height, width


def backbone_from(cfg: CfgNode, name: str) -> Backbone:
    """The backbone of that name, with the filter that METHOD.NECK names on its deepest maps.

    Raises InputError: the filter does not fit.
    """
    backbone = BACKBONES[name](cfg)
    if name == TIMM and keeps_frozen(cfg):
        backbone.freeze()
    stage = last_stage(backbone)
    neck = plug_in(cfg, "NECK", NECKS, backbone.stages[stage].channels)
    return backbone if neck is None else NeckedBackbone(backbone, neck, stage)


def bind_neck(method: nn.Module, classifier: nn.Module) -> None:
    """Show the classifier of base classes to filters of the method that attend to it."""
    for module in method.modules():
        if isinstance(module, TargetFilter):
            module.attend_to(classifier)
