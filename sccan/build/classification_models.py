"""Backbones and methods of few-shot classification from settings: plain tables of constructors."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from yacs.config import CfgNode

from sccan.attention.element_connection import CLUSTER_HEADS, CLUSTERS, one_to_many, one_to_one
from sccan.backbones.conv4 import Conv4
from sccan.backbones.names import NameTable
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_weights
from sccan.backbones.wide_resnet import WideResNet
from sccan.backbones.wide_resnet_raw import RawShortcutWideResNet
from sccan.classification.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.classification.methods import amtnet, can, cecnet, dmf, spatialformer, tasnet, tsf
from sccan.classification.novel_task import FineTuning
from sccan.classification.word_learner import FitSettings
from sccan.errors import InputError, nearest
from sccan.method import Method


def _resnet12(cfg: CfgNode) -> Backbone:
    node = cfg.BACKBONE.RESNET12
    return StridedResNet12(stem=node.STEM, widths=node.WIDTHS, strides=node.STRIDES)


def _resnet12_pooled(cfg: CfgNode) -> Backbone:
    node = cfg.BACKBONE.RESNET12_POOLED
    if not 0 <= node.DROP_RATE < 1:
        raise InputError(f"BACKBONE.RESNET12_POOLED.DROP_RATE is {node.DROP_RATE}, but must lie in [0, 1)")
    backbone = PooledResNet12(
        widths=node.WIDTHS,
        strides=node.STRIDES,
        round_up=node.ROUND_UP,
        drop_rate=node.DROP_RATE,
        block_size=node.BLOCK_SIZE,
        ramp=node.RAMP,
        count_evaluation=node.COUNT_EVALUATION,
    )
    stride = backbone.stages[_last_stage(backbone)].stride
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


BACKBONES: dict[str, Callable[[CfgNode], Backbone]] = {
    "conv4": _conv4,
    "resnet12": _resnet12,
    "resnet12_pooled": _resnet12_pooled,
    "wrn28_10_raw": _wrn28_10_raw,
    "wrn28_10": _wrn28_10,
}
"""BACKBONE.NAME -> constructor, with norms that learn."""


def _last_stage(backbone: Backbone) -> str:
    return list(backbone.stages)[-1]


def _can(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.CAN, _last_stage(backbone)
    height, width = (-(-side // backbone.stages[stage].stride) for side in cfg.PICTURE.SIZE)
    if not 0 < node.SHARE <= 1:
        raise InputError(f"METHOD.CAN.SHARE is {node.SHARE}, but a share of the queries lies above 0 and up to 1")
    return can.CAN(
        backbone,
        n_base=n_base,
        map_size=(height, width),
        hidden=node.HIDDEN or None,
        temperature=node.TEMPERATURE,
        scale=node.SCALE,
        local_weight=node.LOCAL_WEIGHT,
        transductive=node.TRANSDUCTIVE,
        share=node.SHARE,
        stage=stage,
    )


def _dmf(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.DMF, _last_stage(backbone)
    channels = backbone.stages[stage].channels
    if node.GROUPS < 1 or channels % node.GROUPS:
        raise InputError(f"METHOD.DMF.GROUPS is {node.GROUPS}, but must divide the {channels} channels of the backbone")
    if node.FILTER_SIZE < 1 or node.FILTER_SIZE % 2 == 0:
        raise InputError(f"METHOD.DMF.FILTER_SIZE is {node.FILTER_SIZE}, but filters have an odd side of 1 or more")
    return dmf.DMF(
        backbone,
        n_base=n_base,
        groups=node.GROUPS,
        filter_size=node.FILTER_SIZE,
        scrambled_taps=node.SCRAMBLED_TAPS,
        ode=node.ODE,
        local_weight=node.LOCAL_WEIGHT,
        stage=stage,
    )


def _tsf(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.TSF, _last_stage(backbone)
    _require_heads("METHOD.TSF.HEADS", node.HEADS, backbone.stages[stage].channels)
    return tsf.TSF(
        backbone,
        n_base=n_base,
        n_tokens=node.TOKENS,
        heads=node.HEADS,
        dropout=node.DROPOUT,
        scale=node.SCALE,
        tasks=_tasks(cfg),
        stage=stage,
    )


def _spatialformer(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.SPATIALFORMER, _last_stage(backbone)
    _require_heads("METHOD.SPATIALFORMER.HEADS", node.HEADS, backbone.stages[stage].channels)
    if node.SUPPORTS_FOR_PROTOTYPES and cfg.EPISODE.SHOTS != 1:
        raise InputError(
            f"METHOD.SPATIALFORMER.SUPPORTS_FOR_PROTOTYPES works with one shot, but EPISODE.SHOTS is "
            f"{cfg.EPISODE.SHOTS}; leave it False"
        )
    novel_task = spatialformer.NovelTask(
        FineTuning(steps=node.TUNING_STEPS, rate=node.TUNING_RATE),
        add_probabilities=node.ADD_PROBABILITIES,
        supports_for_prototypes=node.SUPPORTS_FOR_PROTOTYPES,
    )
    return spatialformer.SpatialFormer(
        backbone,
        n_base=n_base,
        heads=node.HEADS,
        temperature=node.TEMPERATURE,
        dropout=node.DROPOUT,
        scale=node.SCALE,
        novel_task=novel_task if node.NOVEL_TASK else None,
        tasks=_tasks(cfg),
        stage=stage,
    )


PAIRINGS = {"one_to_one": one_to_one, "one_to_many": one_to_many}
"""METHOD.CECNET.CONNECT -> how class maps and query maps meet."""
NO_CLUSTER = "none"


def _cecnet(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.CECNET, _last_stage(backbone)
    _require_choice("METHOD.CECNET.CLUSTER", node.CLUSTER, CLUSTERS)
    _require_choice("METHOD.CECNET.DISTANCE", node.DISTANCE, (*CLUSTERS, NO_CLUSTER))
    _require_choice("METHOD.CECNET.CONNECT", node.CONNECT, PAIRINGS)
    channels = backbone.stages[stage].channels
    if "transformer" in (node.CLUSTER, node.DISTANCE) and channels % CLUSTER_HEADS:
        raise InputError(
            f"METHOD.CECNET.CLUSTER transformer needs {CLUSTER_HEADS} heads, which do not divide the {channels} "
            "channels of the backbone; choose another cluster or backbone"
        )
    return cecnet.CECNet(
        backbone,
        cluster=CLUSTERS[node.CLUSTER],
        distance=None if node.DISTANCE == NO_CLUSTER else CLUSTERS[node.DISTANCE],
        pairing=PAIRINGS[node.CONNECT],
        n_base=n_base,
        temperature=node.TEMPERATURE,
        scale=node.SCALE,
        fine_tuning=FineTuning(steps=node.TUNING_STEPS, rate=node.TUNING_RATE) if node.FINE_TUNING else None,
        tasks=_tasks(cfg),
        stage=stage,
    )


PATCH_VOTES = ("auto", "always", "never")
"""METHOD.AMTNET.PATCH_VOTE."""


def _amtnet(cfg: CfgNode, backbone: Backbone, n_base: int) -> amtnet.AMTNet:
    node = cfg.METHOD.AMTNET
    _require_choice("METHOD.AMTNET.PATCH_VOTE", node.PATCH_VOTE, PATCH_VOTES)
    vote = cfg.BACKBONE.NAME != "conv4" if node.PATCH_VOTE == "auto" else node.PATCH_VOTE == "always"
    return amtnet.AMTNet(
        backbone,
        n_base=n_base,
        scale=node.SCALE,
        adaptive=node.ADAPTIVE,
        train_fusion=node.TRAIN_FUSION,
        patch_vote=vote,
        summed=node.SUMMED,
        momentum=node.MOMENTUM,
        regularisation=amtnet.Regularisation(detached=node.DETACH) if node.DIVERGENCE else None,
        tasks=_tasks(cfg, fixed_weight=2.0 if cfg.METHOD.TASKS.ROTATION else 1.0),
        stage=_last_stage(backbone),
    )


def give_teacher(cfg: CfgNode, method: Method, n_base: int) -> None:
    """Let an AMTNet learn from the trained one that METHOD.AMTNET.TEACHER names, if any.

    Raises InputError: it does not exist or does not fit.
    """
    if not isinstance(method, amtnet.AMTNet) or not cfg.METHOD.AMTNET.TEACHER:
        return
    own, node = cfg.BACKBONE.NAME, cfg.METHOD.AMTNET
    name = node.TEACHER_BACKBONE or own
    _require_choice("METHOD.AMTNET.TEACHER_BACKBONE", name, BACKBONES)
    teacher = _amtnet(cfg, BACKBONES[name](cfg), n_base)
    load_weights(teacher, Path(node.TEACHER), names=amtnet.PUBLISHED_NAMES, excused=EXCUSED)
    method.teach(teacher, averaged=name != own)


def _tasks(cfg: CfgNode, *, fixed_weight: float = 1.0) -> TaskSettings:
    node, (height, width) = cfg.METHOD.TASKS, cfg.PICTURE.SIZE
    if node.LEARNED_WEIGHTS and not node.ROTATION:
        raise InputError(
            "METHOD.TASKS.LEARNED_WEIGHTS balances the base-class loss with the rotation loss, but "
            "METHOD.TASKS.ROTATION is False; switch both on or both off"
        )
    if node.ROTATION and height != width:
        raise InputError(
            f"PICTURE.SIZE is {height}x{width}, but METHOD.TASKS.ROTATION turns pictures, which must be square; "
            "change one of the two"
        )
    return TaskSettings(
        rotation=node.ROTATION,
        learned_weights=node.LEARNED_WEIGHTS,
        floor=node.FLOOR,
        gamma=node.GAMMA,
        fixed_weight=fixed_weight,
    )


def _require_choice(key: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(f"{key} is {value!r}, expected one of {', '.join(known)}{nearest(value, known)}")


def _require_heads(key: str, heads: int, channels: int) -> None:
    if heads < 1 or channels % heads:
        raise InputError(f"{key} is {heads}, but must divide the {channels} channels of the backbone")


COMBINATIONS: dict[str, tasnet.Combination] = {"fusion": tasnet.fused, "concatenation": tasnet.concatenated}
"""METHOD.TASNET.COMBINE -> how pictures and words are put together."""


def _tasnet(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    """The number of base classes plays no part: nothing but the visual layer is learned."""
    node = cfg.METHOD.TASNET
    if node.COMBINE not in COMBINATIONS:
        hint = nearest(node.COMBINE, COMBINATIONS)
        raise InputError(f"METHOD.TASNET.COMBINE is {node.COMBINE!r}, expected {' or '.join(COMBINATIONS)}{hint}")
    if node.STEPS < 1 or node.EVERY < 1:
        raise InputError(f"METHOD.TASNET.STEPS and EVERY are {node.STEPS} and {node.EVERY}, but must be at least 1")
    return tasnet.TasNet(
        backbone,
        word_size=node.WORD_SIZE,
        combine=COMBINATIONS[node.COMBINE],
        cosine=node.COSINE,
        visual_share=node.VISUAL_SHARE,
        fit=FitSettings(steps=node.STEPS, rate=node.RATE, factor=node.FACTOR, every=node.EVERY),
        unit_features=node.UNIT_FEATURES,
        transductive=node.TRANSDUCTIVE,
        stage=_last_stage(backbone),
    )


METHODS: dict[str, Callable[[CfgNode, Backbone, int], Method]] = {
    "amtnet": _amtnet,
    "can": _can,
    "cecnet": _cecnet,
    "dmf": _dmf,
    "spatialformer": _spatialformer,
    "tasnet": _tasnet,
    "tsf": _tsf,
}
"""METHOD.NAME -> constructor, given a backbone and the number of base classes."""

NAME_TABLES: dict[str, NameTable] = {
    "amtnet": amtnet.PUBLISHED_NAMES,
    "can": can.PUBLISHED_NAMES,
    "cecnet": cecnet.PUBLISHED_NAMES,
    "dmf": dmf.PUBLISHED_NAMES,
    "spatialformer": spatialformer.PUBLISHED_NAMES,
    "tasnet": tasnet.PUBLISHED_NAMES,
    "tsf": tsf.PUBLISHED_NAMES,
}
"""METHOD.NAME -> published parameter names."""

CLASSIFIERS: dict[str, str] = {
    "amtnet": "tasks.classifier.weight",
    "can": "classifier.weight",
    "cecnet": "tasks.classifier.weight",
    "dmf": "classifier.weight",
    "spatialformer": "tasks.classifier.weight",
    "tasnet": "word_bias",  # has no base classes; what every checkpoint of it holds
    "tsf": "tasks.classifier.weight",
}
"""METHOD.NAME -> the parameter whose rows are the base classes."""

EXCUSED = ("*num_batches_tracked", LEARNED_WEIGHTS)
"""What published checkpoints may lack: they were saved without the learned weights of the losses."""
