"""Plug-ins from settings: filters of maps for either task, and attention between the maps of pairs."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import nn
from yacs.config import CfgNode

from sccan.attention.element_connection import (
    CLUSTER_HEADS,
    CLUSTERS,
    ConnectedPairs,
    ElementConnection,
    ElementFilter,
)
from sccan.attention.semantic_filter import SemanticFilter
from sccan.attention.spatial_former import SemanticPairs, SpatialFormerUnit, TargetFilter
from sccan.builders.choices import require_choice, require_divisor
from sccan.errors import InputError

NONE = "none"
PLUG_INS = ("NECK", "CROSS")
"""Settings under METHOD that name a plug-in."""


def semantic_filter(cfg: CfgNode, channels: int) -> nn.Module:
    """tSF's neck as METHOD.TSF describes it.

    Raises InputError: the heads do not divide the channels.
    """
    node = cfg.METHOD.TSF
    require_divisor("METHOD.TSF.HEADS", node.HEADS, channels)
    return SemanticFilter(channels, n_tokens=node.TOKENS, heads=node.HEADS, dropout=node.DROPOUT)


def element_filter(cfg: CfgNode, channels: int) -> nn.Module:
    """CECE as METHOD.CECE describes it.

    Raises InputError: there is no such cluster, or it does not fit the channels.
    """
    node = cfg.METHOD.CECE
    require_cluster("METHOD.CECE.CLUSTER", node.CLUSTER, channels)
    return ElementFilter(CLUSTERS[node.CLUSTER](channels), channels, n_tokens=node.TOKENS, dropout=node.DROPOUT)


def target_filter(cfg: CfgNode, channels: int) -> nn.Module:
    """SFTA as METHOD.SPATIALFORMER describes it; it must be told the classifier of base classes.

    Raises InputError: the heads do not divide the channels.
    """
    return TargetFilter(spatial_former_unit(cfg, channels, temperature=None))


def semantic_pairs(cfg: CfgNode, channels: int) -> nn.Module:
    """SFSA as METHOD.SPATIALFORMER describes it.

    Raises InputError: the heads do not divide the channels.
    """
    return SemanticPairs(spatial_former_unit(cfg, channels, temperature=cfg.METHOD.SPATIALFORMER.TEMPERATURE))


def connected_pairs(cfg: CfgNode, channels: int) -> nn.Module:
    """CECM as METHOD.CECNET describes it, one to one.

    Raises InputError: there is no such cluster, or it does not fit the channels.
    """
    node = cfg.METHOD.CECNET
    require_cluster("METHOD.CECNET.CLUSTER", node.CLUSTER, channels)
    return ConnectedPairs(ElementConnection(CLUSTERS[node.CLUSTER](channels), temperature=node.TEMPERATURE))


def spatial_former_unit(cfg: CfgNode, channels: int, *, temperature: float | None) -> SpatialFormerUnit:
    """Raises InputError: METHOD.SPATIALFORMER.HEADS does not divide the channels."""
    node = cfg.METHOD.SPATIALFORMER
    require_divisor("METHOD.SPATIALFORMER.HEADS", node.HEADS, channels)
    return SpatialFormerUnit(channels, heads=node.HEADS, temperature=temperature, dropout=node.DROPOUT)


def require_cluster(key: str, name: str, channels: int, *others: str) -> None:
    """Raises InputError: there is no such patch cluster (nor other choice), or its heads do not divide the channels."""
    require_choice(key, name, (*CLUSTERS, *others))
    if name == "transformer" and channels % CLUSTER_HEADS:
        raise InputError(
            f"{key} transformer needs {CLUSTER_HEADS} heads, which do not divide the {channels} channels of the maps; "
            "choose another cluster or backbone"
        )


Maker = Callable[[CfgNode, int], nn.Module]
TASKLESS_NECKS: dict[str, Maker] = {"cece": element_filter, "tsf": semantic_filter}
"""METHOD.NECK -> constructor, given the number of channels; for any method."""
NECKS: dict[str, Maker] = {**TASKLESS_NECKS, "sfta": target_filter}
"""Those for methods that have a classifier of base classes."""
CROSSES: dict[str, Maker] = {"cecm": connected_pairs, "sfsa": semantic_pairs}
"""METHOD.CROSS -> constructor, given the number of channels."""


def plug_in(cfg: CfgNode, key: str, table: dict[str, Maker], channels: int) -> nn.Module | None:
    """What a setting under METHOD names, if anything.

    Args:
        key: NECK or CROSS.
        table: its choices.
        channels: of the maps.

    Raises InputError: there is none of that name, or it does not fit the channels.
    """
    name = cfg.METHOD[key]
    require_choice(f"METHOD.{key}", name, (NONE, *table))
    return None if name == NONE else table[name](cfg, channels)


def full_name(cfg: CfgNode) -> str:
    """The method's name in results, with its plug-ins: ``can``, or ``can+tsf``."""
    return "+".join([cfg.METHOD.NAME, *(cfg.METHOD[key] for key in PLUG_INS if cfg.METHOD[key] != NONE)])


def refuse_plug_ins(cfg: CfgNode, keys: Collection[str], reason: str) -> None:
    """Raises InputError: one of the settings names something."""
    for key in keys:
        if cfg.METHOD[key] != NONE:
            raise InputError(
                f"METHOD.{key} is {cfg.METHOD[key]!r}, but METHOD.NAME {cfg.METHOD.NAME} {reason}; leave it {NONE!r}"
            )
