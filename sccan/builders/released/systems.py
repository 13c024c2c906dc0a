"""What a checkpoint is: which system wrote it, told by its parameter names, and the settings that shapes decide."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from torch import Tensor

from sccan.backbones.weights import architecture
from sccan.builders.released.backbones import Settings, backbone_settings, size_of
from sccan.errors import InputError

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "sccan": ("init_merge_query.0.weight", "merge_query.weight"),
    "bam": ("gram_merge.weight", "ensemble.adjust.weight"),
    "pspnet": ("ppm.features.0.1.weight", "classifier.branches.0.0.weight"),
    "can": ("cam.conv2.weight", "attention.expand.weight"),
    "dmf": ("dw_gen.off_conv.weight", "meta_filter.offset.weight"),
    "tsf": (
        "neck_tSF.query_embed.weight",
        "tSF_encoder.tSF_stacker_layers.0.query_embed.weight",
        "tSF_plus_encoder.query_embed.weight",
        "neck.tokens",
    ),
    "spatialformer": ("cross_attention.gnn.tsca.FFN.linear1.weight", "semantic.feed_forward.linear1.weight"),
    "amtnet": ("similarity_res_func.relation_module.layer3.weight", "metrics.relation.last.weight"),
    "tasnet": ("word_learner.fc1_w", "word_weight"),
    "cecnet": (
        *(f"cross_attention.gnn.layers.0.{part}.weight" for part in ("transformer_layer.attn.merge", "gcn_weight")),
        *(f"connection.cluster.{part}.weight" for part in ("merge", "mix")),
    ),
    "patchproto": ("similarity_res_func.clasifier.weight", "tasks.classifier.weight"),  # its relatives have it too
    "prototypes": ("encoder.layer1.0.conv1.weight", "encoder.module.conv1.weight"),  # TasNet has it too
    "pixel_classifier": ("classifier.weight",),  # after CAN and DMF
}
"""System -> names, published or ours, one of which every checkpoint of it holds and none of a system above it."""

TITLES: Mapping[str, str] = {
    "sccan": "SCCAN",
    "bam": "BAM",
    "pspnet": "PSPNet, BAM's base learner",
    "can": "CAN",
    "dmf": "DMF",
    "tsf": "tSF",
    "spatialformer": "SpatialFormer",
    "amtnet": "AMTNet",
    "tasnet": "TasNet",
    "cecnet": "CECNet",
    "patchproto": "PatchProto",
    "prototypes": "nearest class means",
    "base_classifier": "classifier of base classes",
    "pixel_classifier": "base learner (pixel classifier)",
}

ASSUMED: Mapping[str, tuple[str, ...]] = {
    "sccan": ("METHOD.SCCAN.WINDOW", "METHOD.SCCAN.HEADS", "METHOD.SCCAN.GRID"),
    "bam": ("METHOD.BAM.ASPP_DILATIONS",),
    "can": ("PICTURE.CONSTANTS", "METHOD.CAN.TEMPERATURE"),
    "dmf": ("PICTURE.SIZE", "PICTURE.CONSTANTS"),
    "tsf": ("PICTURE.SIZE", "PICTURE.CONSTANTS", "METHOD.TSF.HEADS"),
    "spatialformer": ("PICTURE.SIZE", "PICTURE.CONSTANTS", "METHOD.SPATIALFORMER.HEADS"),
    "amtnet": ("PICTURE.SIZE", "PICTURE.CONSTANTS"),
    "tasnet": ("PICTURE.SIZE", "PICTURE.CONSTANTS", "METHOD.TASNET.COMBINE", "METHOD.TASNET.COSINE"),
    "cecnet": ("PICTURE.SIZE", "PICTURE.CONSTANTS", "METHOD.CECNET.CONNECT", "METHOD.CECNET.DISTANCE"),
    "patchproto": ("PICTURE.SIZE", "PICTURE.CONSTANTS"),
    "prototypes": ("PICTURE.SIZE", "PICTURE.CONSTANTS"),
}
"""System -> settings that change what it computes and that no shape tells; they are taken as published."""


def system_of(state: Mapping[str, Tensor], source: str) -> str:
    """METHOD.NAME of a checkpoint.

    Args:
        state: under published names or ours.
        source: what an error message calls it.

    Raises InputError: no system here; the line says what it is instead, where names tell it.
    """
    for system, names in SIGNATURES.items():
        ours_alone = system == "pixel_classifier"  # a name that any classifier of pictures may have
        if any(name in state for name in names) and not (ours_alone and "backbone.conv1.weight" not in state):
            return system
    raise InputError(f"{source} {_instead(state)}; expected is a checkpoint of {', '.join(SIGNATURES)}")


def _instead(state: Mapping[str, Tensor]) -> str:
    shown = ", ".join(list(state)[:4])
    kind = backbone_settings(state).get("BACKBONE.NAME", "")
    title = architecture(state) or kind
    if any(name.startswith(("layer", "features.", "conv1.", "block1.", "encoder.")) for name in state) and title:
        head = " with ImageNet's classifier" if {"fc.weight", "classifier.6.weight"} & set(state) else ""
        return f"holds a bare backbone ({title}{head}) and no method: it is something for BACKBONE.WEIGHTS"
    return f"is no checkpoint of any system here: it holds {len(state)} tensors ({shown}, ...)"


def inferred_settings(system: str, state: Mapping[str, Tensor]) -> Settings:
    """The settings that names and shapes decide.

    Args:
        system: of `system_of`.
        state: under our names.

    Raises InputError: an unknown backbone.
    """
    inside = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    backbone = backbone_settings(inside)
    if not backbone:
        found = architecture(inside) or f"{len(inside)} tensors, none of a known first layer"
        raise InputError(f"it is a checkpoint of {TITLES[system]}, but its backbone is unknown here ({found})")
    if system in ("bam", "pspnet"):  # the same parameters as `*_deep`, other dilations
        backbone["BACKBONE.NAME"] = backbone["BACKBONE.NAME"].replace("_deep", "_bam")
    rule = _RULES.get(system)
    settings = {**backbone, **(rule(state, backbone) if rule else {})}
    return {"METHOD.NAME": system, **{key: value for key, value in settings.items() if value is not None}}


# Methods


def _sccan(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    channels, hidden = size_of(state, "merge_query.weight"), size_of(state, "transformer.blocks.0.query_mlp.fc1.weight")
    blocks = {match[1] for name in state if (match := re.match(r"transformer\.blocks\.(\d+)\.", name))}
    return {
        "METHOD.SCCAN.CHANNELS": channels,
        "METHOD.SCCAN.DEPTH": len(blocks),
        "METHOD.SCCAN.MLP_RATIO": hidden / channels if hidden and channels else None,
        "TEST.PROTOCOL": "sccan",
        "TEST.SIZE": 473,
    }


def _bam(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    single = "shot_weights.network.weight"
    first = single if single in state else "shot_weights.network.0.weight"
    return {
        **_pyramid(state, "base_head.classify."),
        "METHOD.BAM.CHANNELS": size_of(state, "merge.weight"),
        "METHOD.BAM.SHOT_CHANNELS": 0 if first == single else size_of(state, first),
        "EPISODE.SHOTS": size_of(state, first, 1),
        "TEST.PROTOCOL": "bam",
    }


def _pspnet(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    return {**_pyramid(state, "classifier.classify."), "TEST.PROTOCOL": "bam", "TEST.SIZE": 417}


def _pyramid(state: Mapping[str, Tensor], prefix: str) -> Settings:
    n_labels = size_of(state, f"{prefix}4.bias") or 0
    return {"METHOD.PSPNET.CHANNELS": size_of(state, f"{prefix}0.weight"), **DATA_SETS.get(n_labels - 1, {})}


DATA_SETS: Mapping[int, Settings] = {
    15: {"DATA.NAME": "pascal", "DATA.FOLD_RULE": "consecutive", "TEST.SIZE": 473},
    60: {"DATA.NAME": "coco", "DATA.FOLD_RULE": "interleaved", "TEST.SIZE": 641},
}
"""Base classes of a fold -> the data set that has so many."""


def _can(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    """The attention is tied to the number of cells of a map, so it tells the size of the pictures."""
    side = math.isqrt(size_of(state, "attention.expand.weight") or 0)
    stride = math.prod(backbone.get("BACKBONE.RESNET12.STRIDES", (0,)))
    own_size = side * stride > 0 and -(-84 // stride) != side
    return {
        "METHOD.CAN.HIDDEN": size_of(state, "attention.expand.weight", 1),
        "PICTURE.SIZE": (side * stride, side * stride) if own_size else None,
    }


def _dmf(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    """Every published filter has one tap; nine where their number could not be one of groups."""
    filters, channels = size_of(state, "meta_filter.project.weight"), size_of(state, "meta_filter.project.weight", 1)
    nine = bool(filters and channels) and channels % filters != 0 and filters % 9 == 0  # type: ignore[operator]
    return {
        "METHOD.DMF.GROUPS": filters // 9 if filters and nine else filters,
        "METHOD.DMF.FILTER_SIZE": 3 if nine else 1,
    }


def _tsf(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    heads = None if "neck.merge.weight" in state else 1
    return {"METHOD.TSF.TOKENS": size_of(state, "neck.tokens"), "METHOD.TSF.HEADS": heads, **_tasks(state)}


def _family(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    return {**_floored(backbone), **_tasks(state)}


def _amtnet(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    adaptive = any(name.startswith("metrics.adaptive.") for name in state)
    return {"METHOD.AMTNET.ADAPTIVE": adaptive, **_floored(backbone), **_tasks(state)}


def _cecnet(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    return {
        "METHOD.CECNET.CLUSTER": _cluster(state, "connection.cluster."),
        "METHOD.CECNET.DISTANCE": _cluster(state, "distance."),
        **_floored(backbone),
        **_tasks(state),
    }


def _cluster(state: Mapping[str, Tensor], prefix: str) -> str | None:
    """The kind of a patch cluster; None where it has no parameters, as two kinds have none.

    A CECNet whose connection has none looks like PatchProto; whoever knows better says METHOD.NAME and CLUSTER.
    """
    if f"{prefix}mix.weight" in state:
        return "gcn"
    return "transformer" if f"{prefix}merge.weight" in state else None


def _tasnet(state: Mapping[str, Tensor], backbone: Settings) -> Settings:
    return {"METHOD.TASNET.WORD_SIZE": size_of(state, "word_bias")}


def _tasks(state: Mapping[str, Tensor]) -> Settings:
    return {
        "METHOD.TASKS.ROTATION": "tasks.rotation_classifier.weight" in state,
        "METHOD.TASKS.LEARNED_WEIGHTS": any(name.startswith("tasks.weights.") for name in state),
    }


def _floored(backbone: Settings) -> Settings:
    """The pooled ResNet-12 of this family drops odd rows, and nothing else."""
    if backbone["BACKBONE.NAME"] != "resnet12_pooled":
        return {}
    return {"BACKBONE.RESNET12_POOLED.ROUND_UP": False, "BACKBONE.RESNET12_POOLED.DROP_RATE": 0.0}


_RULES: Mapping[str, Callable[[Mapping[str, Tensor], Settings], Settings]] = {
    "sccan": _sccan,
    "bam": _bam,
    "pspnet": _pspnet,
    "can": _can,
    "dmf": _dmf,
    "tsf": _tsf,
    "spatialformer": _family,
    "amtnet": _amtnet,
    "tasnet": _tasnet,
    "cecnet": _cecnet,
    "patchproto": _family,
}
