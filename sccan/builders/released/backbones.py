"""Which backbone a set of parameters is, and its widths: read off names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

Settings = dict[str, Any]
"""Dotted key -> value."""
Architectures = Mapping[tuple[tuple[int, ...], bool], str]
"""Blocks per stage, and whether they are bottlenecks -> BACKBONE.NAME."""


def backbone_settings(names: Mapping[str, Tensor]) -> Settings:
    """BACKBONE.NAME and widths of a backbone's own parameters; empty where it is unknown."""
    if "block1.layer.0.conv1.weight" in names:
        return {"BACKBONE.NAME": "wrn28_10"}
    if "layer1.0.shortcut.0.weight" in names:
        return {"BACKBONE.NAME": "wrn28_10_raw"}
    if "layer1.0.weight" in names:
        if "conv1.weight" in names:
            return {"BACKBONE.NAME": "vgg16"}
        return {"BACKBONE.NAME": "conv4", "BACKBONE.CONV4.WIDTHS": _widths(names, "layer{}.0.weight")}
    if "layer1.0.conv1.weight" not in names:
        return {}
    if "conv1.weight" not in names:
        widths = _widths(names, "layer{}.0.conv3.weight")
        return {"BACKBONE.NAME": "resnet12_pooled", "BACKBONE.RESNET12_POOLED.WIDTHS": widths}
    bottleneck, blocks = "layer1.0.conv3.weight" in names, _blocks(names)
    if names["conv1.weight"].shape[-1:] == (7,):
        return _named(TORCHVISION, blocks, bottleneck)
    if "conv3.weight" not in names:
        return _resnet12(names)
    if bottleneck:
        return _named(DEEP, blocks, bottleneck)
    return {
        "BACKBONE.NAME": "small",
        "BACKBONE.SMALL.STEM": tuple(size_of(names, f"conv{number}.weight") or 1 for number in (1, 2, 3)),
        "BACKBONE.SMALL.WIDTHS": _widths(names, "layer{}.0.conv2.weight"),
        "BACKBONE.SMALL.BLOCKS": blocks,
    }


TORCHVISION: Architectures = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
}
DEEP: Architectures = {((3, 4, 6, 3), True): "resnet50_deep", ((3, 4, 23, 3), True): "resnet101_deep"}


def _named(known: Architectures, blocks: tuple[int, ...], bottleneck: bool) -> Settings:
    name = known.get((blocks, bottleneck))
    return {"BACKBONE.NAME": name} if name else {}


def _resnet12(names: Mapping[str, Tensor]) -> Settings:
    """The first stage halves the map if it projects its shortcut although widths are equal; all later ones do."""
    stem, widths = size_of(names, "conv1.weight") or 1, _widths(names, "layer{}.0.conv3.weight")
    halves = "layer1.0.downsample.0.weight" in names and widths[:1] == (stem,)
    return {
        "BACKBONE.NAME": "resnet12",
        "BACKBONE.RESNET12.STEM": stem,
        "BACKBONE.RESNET12.WIDTHS": widths,
        "BACKBONE.RESNET12.STRIDES": (2 if halves else 1, *(2,) * (len(widths) - 1)),
    }


def _widths(names: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Of the four stages; 1 where there is no such tensor, which a strict load then names."""
    return tuple(size_of(names, pattern.format(stage)) or 1 for stage in range(1, 5))


def _blocks(names: Iterable[str]) -> tuple[int, ...]:
    """Blocks of the four stages, likewise."""
    found = {(int(match[1]), int(match[2])) for name in names if (match := re.match(r"layer([1-4])\.(\d+)\.", name))}
    return tuple(max(1, sum(stage == number for stage, _ in found)) for number in range(1, 5))


def size_of(state: Mapping[str, Tensor], name: str, dimension: int = 0) -> int | None:
    """Length of one dimension of a tensor; None where there is none."""
    shape = state[name].shape if name in state else ()
    return shape[dimension] if dimension < len(shape) else None
