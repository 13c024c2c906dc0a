"""Few-shot classification from settings: data set, episodes, methods, training task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.build.class_words import begin_with_backbone, tell_classes, told
from sccan.build.classification_models import BACKBONES, METHODS, give_teacher
from sccan.build.engine import TrainingJob, evaluator, seeded
from sccan.classification.accuracy import accuracy
from sccan.classification.data.datasets import Source, open_splits, require_split
from sccan.classification.data.episodes import (
    ClassificationSource,
    DrawnEpisodes,
    TrainingEpisodes,
    augmented,
    collate_drawn,
    resident_pixels,
    score_accuracy,
)
from sccan.classification.data.pictures import Pictures
from sccan.classification.data.transforms import Augmentation, FixedTransform
from sccan.engine.batches import Batches, BatchTask
from sccan.engine.distributed import Runtime
from sccan.episodes.episode import Episode
from sccan.episodes.ways import EpisodeShape, WayPlan
from sccan.errors import InputError, nearest
from sccan.method import Method

SELECTIONS = {
    "val": "accuracy on episodes of the validation split",
    "test": "accuracy on episodes of the test split (as published)",
}
"""VALIDATE.SELECT_ON -> how the checkpoint is chosen, in words that go with every result."""


def is_classification(cfg: CfgNode) -> bool:
    """Whether METHOD.NAME is a classification method."""
    return cfg.METHOD.NAME in METHODS


def is_transductive(cfg: CfgNode) -> bool:
    """Whether the method learns from all queries of an episode together."""
    return bool(cfg.METHOD[cfg.METHOD.NAME.upper()].get("TRANSDUCTIVE", False))


def build_classifier(cfg: CfgNode, n_base: int) -> Method:
    """A method with random weights, the same for the same SEED.

    Raises InputError: unknown backbone.
    """
    name = cfg.BACKBONE.NAME
    if name not in BACKBONES:
        hint = nearest(name, BACKBONES)
        raise InputError(f"BACKBONE.NAME is {name!r}, expected {', '.join(BACKBONES)} for classification{hint}")
    with seeded(cfg):
        return METHODS[cfg.METHOD.NAME](cfg, BACKBONES[name](cfg), n_base)


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
    return Augmentation(pad=cfg.PICTURE.PAD, flip=cfg.PICTURE.FLIP, erase=cfg.PICTURE.ERASE, jitter=cfg.PICTURE.JITTER)


def episode_shape(cfg: CfgNode) -> EpisodeShape:
    """Ways, shots and queries of validation and test episodes."""
    return EpisodeShape(cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.QUERIES)


# Training


def training_job(cfg: CfgNode, runtime: Runtime) -> TrainingJob:
    """Training of the method that METHOD.NAME names.

    Raises InputError: the data cannot serve the episodes, or a setting is unfit.
    """
    source = data_source(cfg)
    splits = open_splits(source)
    pictures = require_split(splits, "train", source)
    if cfg.VALIDATE.SELECT_ON not in SELECTIONS:
        found = cfg.VALIDATE.SELECT_ON
        raise InputError(f"VALIDATE.SELECT_ON is {found!r}, expected {' or '.join(SELECTIONS)} for classification")
    validation = require_split(splits, cfg.VALIDATE.SELECT_ON, source)
    method = build_classifier(cfg, len(pictures.class_names))
    begin_with_backbone(cfg, method)
    tell_classes(cfg, method, pictures.class_names)
    give_teacher(cfg, method, len(pictures.class_names))
    method = method.to(runtime.device)
    if runtime.device.type == "cuda":
        method = method.to(memory_format=torch.channels_last)
    task = _training_task(cfg, pictures, validation, runtime)
    header = {
        "method": cfg.METHOD.NAME,
        "backbone": cfg.BACKBONE.NAME,
        "data": cfg.DATA.NAME,
        "class_list": cfg.DATA.CLASS_LIST,
        "classes": list(pictures.class_names),
        "ways": cfg.EPISODE.WAYS,
        "shots": cfg.EPISODE.SHOTS,
        "picture": preprocessing(cfg),
        "selection": SELECTIONS[cfg.VALIDATE.SELECT_ON],
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


def _training_task(cfg: CfgNode, pictures: Pictures, validation: Pictures, runtime: Runtime) -> BatchTask[Any]:
    if cfg.TRAIN.EPISODES_PER_EPOCH < 1:
        raise InputError("TRAIN.EPISODES_PER_EPOCH is 0, but classification draws episodes freely; set it, say to 1200")
    transform, random_part = fixed_transform(cfg), augmentation(cfg)
    plan = WayPlan(
        pictures.class_pictures(),
        EpisodeShape(cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.TRAIN_QUERIES),
        n_episodes=cfg.TRAIN.EPISODES_PER_EPOCH,
        seed=cfg.SEED,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
    )
    dataset = TrainingEpisodes(
        pictures, plan, transform, random_part, seed=cfg.SEED, with_pixels=not cfg.DATA.ON_DEVICE
    )
    batches = Batches(
        dataset,
        len(plan),
        collate_drawn,
        batch_size=cfg.TRAIN.BATCH_SIZE,
        workers=cfg.DATA.WORKERS,
        rank=runtime.rank,
        world_size=runtime.world_size,
        pin_memory=runtime.device.type == "cuda",
    )
    resident = resident_pixels(pictures, transform, runtime.device) if cfg.DATA.ON_DEVICE else None

    def prepare(batch: DrawnEpisodes, device: torch.device) -> Episode:
        return augmented(batch.to(device), transform, random_part, resident=resident)

    return BatchTask(batches, prepare, _validation(cfg, validation, runtime))


def _validation(cfg: CfgNode, pictures: Pictures, runtime: Runtime) -> Callable[[nn.Module], dict[str, float]]:
    """Accuracy on episodes that are the same at every validation."""
    plan = WayPlan(
        pictures.class_pictures(),
        episode_shape(cfg),
        n_episodes=cfg.VALIDATE.EPISODES,
        seed=cfg.VALIDATE.SEED,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
    )
    source = ClassificationSource(pictures, plan.episodes(), fixed_transform(cfg))
    run = evaluator(cfg, runtime, progress="validating")

    def validate(method: nn.Module) -> dict[str, float]:
        with told(cfg, method, pictures.class_names):
            result = accuracy(run(method, source, score_accuracy))
        return {"score": result.mean, "accuracy": result.mean, "half_width_95": result.half_width}

    return validate
