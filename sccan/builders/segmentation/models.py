"""Backbones and methods from settings, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn
from yacs.config import CfgNode

from sccan.backbones.deep_stem import BAM_DILATIONS, DeepStemResNet
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.names import NameTable
from sccan.backbones.small import SmallResNet
from sccan.backbones.stage import Backbone
from sccan.backbones.torchvision_resnet import TorchvisionResNet
from sccan.backbones.vgg import VGG16
from sccan.builders.backbones import TIMM, keeps_frozen, timm_from
from sccan.builders.choices import made_of_settings
from sccan.builders.engine import seeded
from sccan.builders.necks import PLUG_INS, TASKLESS_NECKS, plug_in, refuse_plug_ins
from sccan.builders.pretrained import load_backbone
from sccan.builders.segmentation.base_learner import load_base_learner
from sccan.errors import InputError, nearest
from sccan.method import Method
from sccan.segmentation.methods import bam, pspnet, sccan
from sccan.segmentation.methods.bam import BAM
from sccan.segmentation.methods.frost import FROST
from sccan.segmentation.methods.guided_density import GuidedDensity
from sccan.segmentation.methods.insid3 import INSID3
from sccan.segmentation.methods.pixel_classifier import PixelClassifier
from sccan.segmentation.methods.pspnet import PSPNet
from sccan.segmentation.methods.sccan import SCCAN
from sccan.segmentation.methods.training_free import TrainingFreeMethod
from sccan.segmentation.parts.heads import PyramidHead

NormLayer = Callable[[int], nn.Module]


def _small(cfg: CfgNode, norm_layer: NormLayer) -> Backbone:
    small = cfg.BACKBONE.SMALL
    return SmallResNet(stem=small.STEM, widths=small.WIDTHS, blocks=small.BLOCKS, norm_layer=norm_layer)


BACKBONES: dict[str, Callable[[CfgNode, NormLayer], Backbone]] = {
    "resnet50_deep": lambda cfg, norm: DeepStemResNet(50, norm_layer=norm),
    "resnet101_deep": lambda cfg, norm: DeepStemResNet(101, norm_layer=norm),
    "resnet50_bam": lambda cfg, norm: DeepStemResNet(50, norm_layer=norm, dilations=BAM_DILATIONS),
    "resnet101_bam": lambda cfg, norm: DeepStemResNet(101, norm_layer=norm, dilations=BAM_DILATIONS),
    "vgg16": lambda cfg, norm: VGG16(norm_layer=norm),
    "resnet18": lambda cfg, norm: TorchvisionResNet("resnet18", norm_layer=norm),
    "resnet34": lambda cfg, norm: TorchvisionResNet("resnet34", norm_layer=norm),
    "resnet50": lambda cfg, norm: TorchvisionResNet("resnet50", norm_layer=norm),
    "resnet101": lambda cfg, norm: TorchvisionResNet("resnet101", norm_layer=norm),
    "small": _small,
    TIMM: lambda cfg, norm: timm_from(cfg),  # its norms are its own; frozen ones keep their statistics as well
}
"""BACKBONE.NAME -> constructor."""


def _sccan(cfg: CfgNode, backbone: Backbone, base_classes: Sequence[int], pretrained: bool) -> Method:
    node = cfg.METHOD.SCCAN
    refuse_plug_ins(cfg, ["CROSS"], "has an attention between support and query of its own")
    _require_stages(backbone, (*node.MERGE_STAGES, node.PRIOR_STAGE), "METHOD.SCCAN.MERGE_STAGES and PRIOR_STAGE")
    if min(node.GRID) < node.WINDOW:
        raise InputError(
            f"METHOD.SCCAN.WINDOW is {node.WINDOW}, but METHOD.SCCAN.GRID is {'x'.join(map(str, node.GRID))}"
        )
    if pretrained:
        _load_own_backbone(cfg, backbone)
    return SCCAN(
        backbone,
        channels=node.CHANNELS,
        grid=node.GRID,
        window=node.WINDOW,
        heads=node.HEADS,
        depth=node.DEPTH,
        mlp_ratio=node.MLP_RATIO,
        merge_stages=node.MERGE_STAGES,
        prior_stage=node.PRIOR_STAGE,
        feature_dropout=node.FEATURE_DROPOUT,
        head_dropout=node.HEAD_DROPOUT,
        aspp_dilations=node.ASPP_DILATIONS,
        ignore_label=255 if node.LOSS_IGNORES else None,
        neck=plug_in(cfg, "NECK", TASKLESS_NECKS, node.CHANNELS),
        evidence=_evidence(cfg, backbone, node.EVIDENCE),
        cut=node.CUT,
    )


def _evidence(cfg: CfgNode, backbone: Backbone, name: str) -> TrainingFreeMethod | None:
    """The method without training whose logits a head adds to, under its own settings; None where none is named."""
    if not name:
        return None
    if name not in TRAINING_FREE:
        hint = nearest(name, TRAINING_FREE)
        raise InputError(f"METHOD.SCCAN.EVIDENCE is {name!r}, expected one of {', '.join(TRAINING_FREE)}{hint}")
    method = METHODS[name](cfg, backbone, (), False)
    assert isinstance(method, TrainingFreeMethod)
    return method


def _bam(cfg: CfgNode, backbone: Backbone, base_classes: Sequence[int], pretrained: bool) -> Method:
    node = cfg.METHOD.BAM
    refuse_plug_ins(cfg, PLUG_INS, "takes no plug-ins")
    stages = (*node.MERGE_STAGES, node.PRIOR_STAGE, node.SCENE_STAGE)
    _require_stages(backbone, stages, "METHOD.BAM.MERGE_STAGES, PRIOR_STAGE and SCENE_STAGE")
    head = PyramidHead(
        backbone.stage(node.PRIOR_STAGE).channels,
        len(base_classes) + 1,
        channels=cfg.METHOD.PSPNET.CHANNELS,
        bins=cfg.METHOD.PSPNET.BINS,
        dropout=cfg.METHOD.PSPNET.DROPOUT,
        norm_layer=FrozenBatchNorm2d,
    )
    if pretrained:
        load_base_learner(cfg, backbone, head, base_classes)
    return BAM(
        backbone,
        head,
        base_classes,
        n_shot=cfg.EPISODE.SHOTS,
        channels=node.CHANNELS,
        merge_stages=node.MERGE_STAGES,
        prior_stage=node.PRIOR_STAGE,
        scene_stage=node.SCENE_STAGE,
        shot_channels=node.SHOT_CHANNELS,
        feature_dropout=node.FEATURE_DROPOUT,
        head_dropout=node.HEAD_DROPOUT,
        aspp_dilations=node.ASPP_DILATIONS,
        base_dropout=node.BASE_DROPOUT,
        meta_weight=node.META_WEIGHT,
        base_weight=node.BASE_WEIGHT,
    )


def _insid3(cfg: CfgNode, backbone: Backbone, base_classes: Sequence[int], pretrained: bool) -> Method:
    node = cfg.METHOD.INSID3
    stages = _training_free(cfg, "insid3", backbone, pretrained)
    return INSID3(
        backbone,
        stages=stages,
        rank=node.RANK if backbone.positions else 0,
        tau=node.TAU,
        threshold=node.THRESHOLD,
        soft=node.SOFT,
        half_state=node.HALF_STATE,
    )


def _frost(cfg: CfgNode, backbone: Backbone, base_classes: Sequence[int], pretrained: bool) -> Method:
    node = cfg.METHOD.FROST
    stages = _training_free(cfg, "frost", backbone, pretrained)
    return FROST(
        backbone,
        stages=stages,
        rank=node.RANK if backbone.positions else 0,
        flip=node.FLIP,
        bandwidths=node.BANDWIDTHS,
        odds_weight=node.ODDS_WEIGHT,
        whiten=node.WHITEN,
        gate=node.GATE,
        radius=node.RADIUS,
        steps=node.STEPS,
    )


def _guided_density(cfg: CfgNode, backbone: Backbone, base_classes: Sequence[int], pretrained: bool) -> Method:
    node = cfg.METHOD.GUIDED_DENSITY
    stages = _training_free(cfg, "guided_density", backbone, pretrained)
    return GuidedDensity(
        backbone,
        stages=stages,
        rank=node.RANK if backbone.positions else 0,
        sigma=node.SIGMA,
        odds_weight=node.ODDS_WEIGHT,
        reach=node.REACH,
        shift=node.SHIFT,
        radii=node.RADII,
        radius_share=node.RADIUS_SHARE,
        regularity=node.REGULARITY,
    )


def _training_free(cfg: CfgNode, name: str, backbone: Backbone, pretrained: bool) -> tuple[str, ...]:
    """The stages of a method that learns nothing, its backbone's weights loaded where wanted."""
    if name == cfg.METHOD.NAME:
        refuse_plug_ins(cfg, PLUG_INS, "takes no plug-ins")
    stages = _stages(cfg, name, backbone)
    _require_stages(backbone, stages, f"METHOD.{name.upper()}.STAGES")
    if pretrained:
        _load_own_backbone(cfg, backbone)
    return stages


def _stages(cfg: CfgNode, name: str, backbone: Backbone) -> tuple[str, ...]:
    """Whose maps are the cells of a method that learns nothing; the last stage where the settings name none."""
    return tuple(cfg.METHOD[name.upper()].STAGES) or (list(backbone.stages)[-1],)


def _pixel_classifier(cfg: CfgNode, backbone: Backbone, n_classes: int) -> PixelClassifier:
    node = cfg.METHOD.PIXEL_CLASSIFIER
    _require_stages(backbone, (node.STAGE,), "METHOD.PIXEL_CLASSIFIER.STAGE")
    return PixelClassifier(backbone, n_classes, stage=node.STAGE, background_weight=node.BACKGROUND_WEIGHT)


def _pspnet(cfg: CfgNode, backbone: Backbone, n_classes: int) -> PixelClassifier:
    node = cfg.METHOD.PSPNET
    _require_stages(backbone, (node.STAGE,), "METHOD.PSPNET.STAGE")
    return PSPNet(
        backbone,
        n_classes,
        stage=node.STAGE,
        channels=node.CHANNELS,
        bins=node.BINS,
        dropout=node.DROPOUT,
        background_weight=node.BACKGROUND_WEIGHT,
    )


METHODS: dict[str, Callable[[CfgNode, Backbone, Sequence[int], bool], Method]] = {
    "sccan": _sccan,
    "bam": _bam,
    "insid3": _insid3,
    "frost": _frost,
    "guided_density": _guided_density,
}
"""METHOD.NAME -> constructor, given a backbone that the method freezes, the base classes, and whether what is frozen
gets its trained weights."""

TRAINING_FREE = ("insid3", "frost", "guided_density")
"""METHOD.NAME of methods that have no checkpoint but the weights of their backbone."""

BASE_LEARNERS: dict[str, Callable[[CfgNode, Backbone, int], PixelClassifier]] = {
    "pixel_classifier": _pixel_classifier,
    "pspnet": _pspnet,
}
"""METHOD.NAME of what trains a backbone on the base classes -> constructor, given the number of labels."""

NAME_TABLES: dict[str, NameTable] = {
    "sccan": sccan.PUBLISHED_NAMES,
    "bam": bam.PUBLISHED_NAMES,
    "pspnet": pspnet.PUBLISHED_NAMES,
}
"""METHOD.NAME -> published parameter names."""


def build_backbone(cfg: CfgNode, *, trainable: bool) -> Backbone:
    """The backbone with random weights.

    Args:
        trainable: with norms that learn; else with frozen ones.

    Raises InputError: unknown name.
    """
    name = cfg.BACKBONE.NAME
    if name not in BACKBONES:
        raise InputError(f"BACKBONE.NAME is {name!r}, expected one of {', '.join(BACKBONES)}{nearest(name, BACKBONES)}")
    return BACKBONES[name](cfg, nn.BatchNorm2d if trainable else FrozenBatchNorm2d)


def build_method(cfg: CfgNode, base_classes: Sequence[int], *, pretrained: bool) -> Method:
    """A few-shot method.

    Args:
        base_classes: class numbers of the fold's base classes.
        pretrained: load the weights of its frozen parts; not needed where a whole checkpoint follows.

    Raises InputError: unknown name, or weights that are missing or do not fit.
    """
    name = cfg.METHOD.NAME
    if name not in METHODS:
        known = (*METHODS, *BASE_LEARNERS)
        raise InputError(f"METHOD.NAME is {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
    with made_of_settings(), seeded(cfg):
        return METHODS[name](cfg, build_backbone(cfg, trainable=False), base_classes, pretrained)


def build_base_learner(cfg: CfgNode, n_base: int) -> PixelClassifier:
    """The classifier of base classes and background that trains a backbone; starts from BACKBONE.WEIGHTS if given."""
    refuse_plug_ins(cfg, PLUG_INS, "takes no plug-ins")
    with made_of_settings(), seeded(cfg):
        backbone = build_backbone(cfg, trainable=True)
        learner = BASE_LEARNERS[cfg.METHOD.NAME](cfg, backbone, n_base + 1)
    if cfg.BACKBONE.WEIGHTS:
        load_backbone(backbone, cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS, download=cfg.BACKBONE.DOWNLOAD)
    if keeps_frozen(cfg):
        backbone.freeze()
    return learner


def stages_used(cfg: CfgNode, backbone: Backbone) -> tuple[str, tuple[str, ...]]:
    """The stage of the prior mask, and all stages that a few-shot method compares pictures by."""
    node = cfg.METHOD[cfg.METHOD.NAME.upper()]
    if cfg.METHOD.NAME in TRAINING_FREE:
        stages = _stages(cfg, cfg.METHOD.NAME, backbone)
        return stages[-1], stages
    return node.PRIOR_STAGE, tuple(dict.fromkeys((*node.MERGE_STAGES, node.PRIOR_STAGE)))


def _load_own_backbone(cfg: CfgNode, backbone: Backbone) -> None:
    if not cfg.BACKBONE.WEIGHTS:
        raise InputError(
            f"BACKBONE.WEIGHTS is empty, but {cfg.METHOD.NAME} keeps its backbone frozen; name a file in initmodel/, "
            "the run folder of a base learner, or weights of torchvision"
        )
    load_backbone(backbone, cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS, download=cfg.BACKBONE.DOWNLOAD)


def _require_stages(backbone: Backbone, names: tuple[str, ...], setting: str) -> None:
    for name in names:
        if name not in backbone.stages:
            hint = nearest(name, backbone.stages)
            raise InputError(f"{setting} names {name!r}, but the backbone has {', '.join(backbone.stages)}{hint}")
