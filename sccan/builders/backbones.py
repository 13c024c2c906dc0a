"""Networks of timm from settings, for both tasks: what they are called, and which picture sides they can take."""

from __future__ import annotations

from collections.abc import Sequence

from yacs.config import CfgNode

from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.stage import Backbone
from sccan.errors import InputError

TIMM = "timm"
"""BACKBONE.NAME of any network of timm."""


def timm_from(cfg: CfgNode, pixels: Pixels = IMAGENET) -> Backbone:
    """The network that BACKBONE.TIMM describes, with random weights.

    Args:
        pixels: how pictures arrive.

    Raises InputError: unknown model or stage, or it cannot do what is asked.
    """
    from sccan.backbones.timm_backbone import timm_backbone  # timm takes a second to import

    node = cfg.BACKBONE.TIMM
    stages = [_stage(stage) for stage in node.STAGES]
    return timm_backbone(node.MODEL, stages=stages, output_stride=node.OUTPUT_STRIDE, pixels=pixels)


def _stage(named: object) -> str | int:
    """A name, or a number, which an override of names has made text.

    Raises InputError: it is neither.
    """
    text = str(named)
    if isinstance(named, bool) or not isinstance(named, str | int):
        raise InputError(f"an item of BACKBONE.TIMM.STAGES is {text[:40]}, expected a name or a whole number")
    return int(text) if text.removeprefix("-").isdecimal() else text


def backbone_name(cfg: CfgNode) -> str:
    """What results and headers call the backbone: BACKBONE.NAME, and of timm's which network at which stride."""
    name, node = str(cfg.BACKBONE.NAME), cfg.BACKBONE.TIMM
    if name != TIMM:
        return name
    return f"{name} {node.MODEL}" + (f", output stride {node.OUTPUT_STRIDE}" if node.OUTPUT_STRIDE else "")


def keeps_frozen(cfg: CfgNode) -> bool:
    """Whether a backbone that a method or a base learner would train stays as it is loaded."""
    return cfg.BACKBONE.NAME == TIMM and bool(cfg.BACKBONE.TIMM.FROZEN)


def patch_of(cfg: CfgNode) -> int:
    """Pixels that a picture's sides must be a multiple of: the patch of a vision transformer, else 1."""
    if cfg.BACKBONE.NAME != TIMM:
        return 1
    from sccan.backbones.timm_backbone import patch_side

    return patch_side(cfg.BACKBONE.TIMM.MODEL)


def fitting_side(cfg: CfgNode, side: int) -> int:
    """The side that the backbone can take which is nearest to `side`."""
    patch = patch_of(cfg)
    return max(1, (side + patch // 2) // patch) * patch


def require_sides(cfg: CfgNode, key: str, sides: Sequence[int]) -> None:
    """Raises InputError: the backbone cannot take pictures of sides that a setting names; the line names the nearest.

    Args:
        key: the setting.
    """
    fitting = [fitting_side(cfg, side) for side in sides]
    if list(sides) != fitting:
        found, nearest = ("x".join(map(str, some)) for some in (sides, fitting))
        raise InputError(
            f"{key} is {found}, but {cfg.BACKBONE.TIMM.MODEL} cuts pictures into patches of {patch_of(cfg)} pixels; "
            f"the nearest it can take is {nearest}"
        )
