"""Few-shot classification from settings: data set, episodes, methods, training task."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.builders.backbones import backbone_name
from sccan.builders.choices import made_of_settings
from sccan.builders.classification.backbones import BACKBONES, backbone_from, bind_neck
from sccan.builders.classification.class_words import tell_classes, told, word_facts
from sccan.builders.classification.family import TAKE_CROSS, give_teacher
from sccan.builders.classification.frozen import SEE_ALL_QUERIES, TRAINING_FREE
from sccan.builders.classification.models import CLASSIFIERS, METHODS
from sccan.builders.classification.stored_features import episode_source, open_features
from sccan.builders.classification.tasnet import begin_with_backbone, learns_single_pictures
from sccan.builders.engine import TrainingJob, evaluator, seeded
from sccan.builders.necks import refuse_plug_ins
from sccan.builders.pretrained import load_backbone
from sccan.builders.tested_weights import refuse_training
from sccan.classification.data.datasets import Source, open_splits, require_split
from sccan.classification.data.episodes import (
    DrawnEpisodes,
    TrainingEpisodes,
    augmented,
    resident_pixels,
    whole_batch,
)
from sccan.classification.data.splits.pictures import Pictures
from sccan.classification.data.splits.repeated import repeated_files
from sccan.classification.data.stored_features import FeatureEpisodes
from sccan.classification.data.transforms.augmentation import Augmentation
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.classification.evaluation.accuracy import accuracy, score_accuracy
from sccan.engine.batches import Batches, BatchTask
from sccan.engine.distributed import Runtime
from sccan.episodes.episode import Episode
from sccan.episodes.plan import EpisodePlan
from sccan.episodes.ways import EpisodeShape, PicturePlan, WayPlan
from sccan.errors import InputError, nearest
from sccan.files.plain import one_line
from sccan.files.tally import Tally
from sccan.method import Method

SELECTIONS = {
    "val": "accuracy on episodes of the validation split",
    "test": "accuracy on episodes of the test split (as published)",
}
"""VALIDATE.SELECT_ON -> how the checkpoint is chosen, in words that go with every result."""

logger = logging.getLogger(__name__)


def is_classification(cfg: CfgNode) -> bool:
    """Whether METHOD.NAME is a classification method."""
    return cfg.METHOD.NAME in METHODS


def is_transductive(cfg: CfgNode) -> bool:
    """Whether the method learns from all queries of an episode together."""
    return cfg.METHOD.NAME in SEE_ALL_QUERIES or bool(cfg.METHOD[cfg.METHOD.NAME.upper()].get("TRANSDUCTIVE", False))


def build_classifier(cfg: CfgNode, n_base: int) -> Method:
    """A method with random weights, the same for the same SEED.

    Raises InputError: unknown backbone, or a plug-in that does not fit.
    """
    name = cfg.BACKBONE.NAME
    if name not in BACKBONES:
        hint = nearest(name, BACKBONES)
        raise InputError(f"BACKBONE.NAME is {name!r}, expected {', '.join(BACKBONES)} for classification{hint}")
    if cfg.METHOD.NAME not in TAKE_CROSS:
        refuse_plug_ins(cfg, ["CROSS"], f"has its own way with pairs (those that take one: {', '.join(TAKE_CROSS)})")
    weight = CLASSIFIERS[cfg.METHOD.NAME]
    has_classifier = weight.endswith("classifier.weight")
    if cfg.METHOD.NECK == "sfta" and not has_classifier:
        refuse_plug_ins(cfg, ["NECK"], "has no classifier of base classes to attend to")
    with made_of_settings(), seeded(cfg):
        method = METHODS[cfg.METHOD.NAME](cfg, backbone_from(cfg, name), n_base)
    if has_classifier:
        bind_neck(method, method.get_submodule(weight.removesuffix(".weight")))
    return method


def build_untrained(cfg: CfgNode) -> Method:
    """A method on frozen vectors, with the weights of its backbone.

    Raises InputError: there are none, or they do not fit.
    """
    if not cfg.BACKBONE.WEIGHTS:
        raise InputError(
            f"BACKBONE.WEIGHTS is empty, but {cfg.METHOD.NAME} has no other weights; name a file, a run folder, or "
            "(BACKBONE.NAME timm) packaged or hub"
        )
    method = build_classifier(cfg, 0)
    backbone = method.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    load_backbone(backbone, cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS, download=cfg.BACKBONE.DOWNLOAD)
    return method


# Data


def data_source(cfg: CfgNode) -> Source:
    """Where the data are, and what they must be.

    Raises InputError: DATA.ROOT is empty.
    """
    node = cfg.DATA
    if not node.ROOT:
        raise InputError("DATA.ROOT is empty; set it to the folder of the data set, with --opts DATA.ROOT PATH")
    return Source(Path(node.ROOT), node.CLASS_LIST, Path(node.IMAGENET) if node.IMAGENET else None)


def fixed_transform(cfg: CfgNode) -> FixedTransform:
    """What every picture goes through."""
    node = cfg.PICTURE
    return FixedTransform(
        size=node.SIZE,
        resize=node.RESIZE or None,
        filter=node.FILTER,
        channels=node.CHANNELS,
        constants=node.CONSTANTS,
    )


def augmentation(cfg: CfgNode) -> Augmentation:
    """The random part of the training transform."""
    node = cfg.PICTURE
    return Augmentation(
        crop=node.CROP,
        pad=node.PAD,
        scale=node.SCALE,
        flip=node.FLIP,
        erase=node.ERASE,
        erase_fill=node.ERASE_FILL,
        jitter=node.JITTER,
        jitter_in_order=node.JITTER_IN_ORDER,
    )


def episode_shape(cfg: CfgNode) -> EpisodeShape:
    """Ways, shots and queries of validation and test episodes."""
    return EpisodeShape(cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.QUERIES)


# Training


def training_job(cfg: CfgNode, runtime: Runtime) -> TrainingJob:
    """Training of the method that METHOD.NAME names.

    Raises InputError: the data cannot serve the episodes, or a setting is unfit.
    """
    if cfg.METHOD.NAME in TRAINING_FREE:
        refuse_training(cfg)
    source = data_source(cfg)
    splits = open_splits(source)
    if runtime.is_main:
        told = Tally(note for pictures in splits.values() for note in pictures.passed)
        told.extend(repeated_files(splits))
        for line in told.lines():
            logger.info("%s", one_line(line))
    pictures = require_split(splits, "train", source)
    if cfg.VALIDATE.SELECT_ON not in SELECTIONS:
        found = cfg.VALIDATE.SELECT_ON
        raise InputError(f"VALIDATE.SELECT_ON is {found!r}, expected {' or '.join(SELECTIONS)} for classification")
    validation = require_split(splits, cfg.VALIDATE.SELECT_ON, source)
    method = build_classifier(cfg, len(pictures.class_names))
    begin_with_backbone(cfg, method, runtime)
    tell_classes(cfg, method, pictures.class_names)
    give_teacher(cfg, method, len(pictures.class_names))
    method = method.to(runtime.device)
    if runtime.device.type == "cuda" or cfg.TRAIN.CHANNELS_LAST:
        method = method.to(memory_format=torch.channels_last)
    task = _training_task(cfg, method, pictures, validation, runtime)
    header = {
        "method": cfg.METHOD.NAME,
        "backbone": backbone_name(cfg),
        "data": cfg.DATA.NAME,
        "class_list": cfg.DATA.CLASS_LIST,
        "classes": list(pictures.class_names),
        "ways": cfg.EPISODE.WAYS,
        "shots": cfg.EPISODE.SHOTS,
        "picture": preprocessing(cfg),
        "selection": SELECTIONS[cfg.VALIDATE.SELECT_ON],
        **word_facts(method),
    }
    notes = [
        f"training episodes from {len(pictures)} pictures of {len(pictures.class_names)} classes ({pictures.title})",
        f"checkpoint chosen by {header['selection']}: {len(validation.class_names)} classes",
    ]
    return TrainingJob(method, task, header, notes)


def preprocessing(cfg: CfgNode) -> dict[str, Any]:
    """How pictures become the network's input; a checkpoint carries it."""
    node = cfg.PICTURE
    return {name.lower(): _plain(node[name]) for name in ("SIZE", "RESIZE", "FILTER", "CHANNELS", "CONSTANTS")}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _training_task(
    cfg: CfgNode, method: Method, pictures: Pictures, validation: Pictures, runtime: Runtime
) -> BatchTask[Any]:
    transform, random_part = fixed_transform(cfg), augmentation(cfg)
    plan, validate = _training_plan(cfg, pictures), _validation(cfg, method, validation, runtime)
    batches = functools.partial(
        Batches,
        n_items=len(plan),
        collate=whole_batch,
        batch_size=cfg.TRAIN.BATCH_SIZE,
        rank=runtime.rank,
        world_size=runtime.world_size,
        pin_memory=runtime.device.type == "cuda",
        keep_rest=learns_single_pictures(cfg),
    )
    stored = open_features(cfg, method, pictures, "train", preprocessing(cfg))
    if stored is not None:
        return BatchTask(batches(FeatureEpisodes(plan, stored)), Episode.to, validate)
    dataset = TrainingEpisodes(
        pictures, plan, transform, random_part, seed=cfg.SEED, with_pixels=not cfg.DATA.ON_DEVICE
    )
    resident = resident_pixels(pictures, transform, random_part, runtime.device) if cfg.DATA.ON_DEVICE else None

    def prepare(batch: DrawnEpisodes, device: torch.device) -> Episode:
        return augmented(batch.to(device), transform, dataset.remaining, resident=resident)

    # On the device, drawing a batch takes less than handing it over.
    return BatchTask(batches(dataset, workers=0 if cfg.DATA.ON_DEVICE else cfg.DATA.WORKERS), prepare, validate)


def _training_plan(cfg: CfgNode, pictures: Pictures) -> EpisodePlan:
    """What one epoch of training goes through.

    Raises InputError: the pictures cannot serve the episodes.
    """
    if learns_single_pictures(cfg):
        return PicturePlan(pictures.class_pictures(), seed=cfg.SEED)
    if cfg.TRAIN.EPISODES_PER_EPOCH < 1:
        raise InputError("TRAIN.EPISODES_PER_EPOCH is 0, but classification draws episodes freely; set it, say to 1200")
    return WayPlan(
        pictures.class_pictures(),
        EpisodeShape(cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.TRAIN_QUERIES),
        n_episodes=cfg.TRAIN.EPISODES_PER_EPOCH,
        seed=cfg.SEED,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
    )


def _validation(
    cfg: CfgNode, method: Method, pictures: Pictures, runtime: Runtime
) -> Callable[[nn.Module], dict[str, float]]:
    """Accuracy on episodes that are the same at every validation."""
    plan = WayPlan(
        pictures.class_pictures(),
        episode_shape(cfg),
        n_episodes=cfg.VALIDATE.EPISODES,
        seed=cfg.VALIDATE.SEED,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
    )
    stored = open_features(cfg, method, pictures, cfg.VALIDATE.SELECT_ON, preprocessing(cfg))
    source = episode_source(pictures, plan.episodes(), fixed_transform(cfg), stored)
    run = evaluator(cfg, runtime, known=stored, progress="validating")

    def validate(method: nn.Module) -> dict[str, float]:
        with told(cfg, method, pictures.class_names):
            result = accuracy(run(method, source, score_accuracy))
        return {"score": result.mean, "accuracy": result.mean, "half_width_95": result.half_width}

    return validate
