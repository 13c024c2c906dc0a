"""Training of segmentation from settings: transforms, batches, validation; episodes and base learners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from sccan.backbones.synchronised import synchronise_norms
from sccan.builders.backbones import backbone_name, require_sides
from sccan.builders.engine import TrainingJob, evaluator
from sccan.builders.segmentation.data import (
    SegmentationData,
    base_source,
    episode_source,
    input_transform,
    logit_score,
    novel_plan,
    open_data,
)
from sccan.builders.segmentation.features import encoded_once
from sccan.builders.segmentation.models import BASE_LEARNERS, TRAINING_FREE, build_base_learner, build_method
from sccan.builders.tested_weights import refuse_training
from sccan.engine.batches import Batches, BatchSource, BatchTask
from sccan.engine.distributed import Runtime
from sccan.engine.evaluate import encode_all
from sccan.episodes.episode import Features
from sccan.episodes.index import FoldLists
from sccan.episodes.plan import TrainingPlan
from sccan.errors import InputError, nearest
from sccan.method import Method
from sccan.segmentation.data.labels.masks import base_label_table
from sccan.segmentation.data.sampling.pictures import PictureStore
from sccan.segmentation.data.sampling.training import (
    EpisodeDataset,
    PixelDataset,
    collate_episodes,
    collate_pixels,
    prepare_episode,
    prepare_pixels,
    start_worker,
)
from sccan.segmentation.data.sampling.views import EncodedViews, View, ViewEpisodes, ViewLoader
from sccan.segmentation.data.sets.folds import whole_list
from sccan.segmentation.data.transforms.object_crops import CropsNearObjects
from sccan.segmentation.data.transforms.published import PublishedTransform, TrainTransform, WithoutDraws
from sccan.segmentation.evaluation import iou
from sccan.segmentation.evaluation.pixel_scores import count_pixels
from sccan.segmentation.parts.pixel_batch import PixelBatch


def train_transform(cfg: CfgNode, *, base_training: bool) -> TrainTransform:
    """The transform named TRAIN.TRANSFORM.

    Args:
        base_training: labels hold many classes instead of one mask, so crops look at any of them.

    Raises InputError: unknown name, or the backbone cannot take TRAIN.SIZE.
    """
    node = cfg.TRAIN
    require_sides(cfg, "TRAIN.SIZE", node.SIZE)
    augmented = {
        "size": node.SIZE,
        "scale": node.SCALE,
        "max_angle": node.ROTATE,
        "blur": node.BLUR,
        "flip": node.FLIP,
        "any_foreground": base_training,
    }
    known: dict[str, Callable[[], TrainTransform]] = {
        "published": lambda: PublishedTransform(**augmented),
        "fast": lambda: _fast(augmented),
        "crops": lambda: CropsNearObjects(
            node.SIZE, near_object=node.OBJECT_CROPS, flip=node.FLIP, any_foreground=base_training
        ),
        "fixed": lambda: WithoutDraws(input_transform(cfg)),
    }
    if node.TRANSFORM not in known:
        hint = nearest(node.TRANSFORM, known)
        raise InputError(f"TRAIN.TRANSFORM is {node.TRANSFORM!r}, expected one of {', '.join(known)}{hint}")
    return known[node.TRANSFORM]()


def _fast(augmented: dict[str, Any]) -> TrainTransform:
    from sccan.segmentation.data.transforms.fast import FastTransform  # albumentations takes seconds to import

    return FastTransform(**augmented)


def training_job(cfg: CfgNode, runtime: Runtime, *, pretrained: bool = True) -> TrainingJob:
    """Training of the few-shot method or the base learner that METHOD.NAME names.

    Args:
        pretrained: load the weights of frozen parts; False leaves them random, for benchmarks.
    """
    if cfg.METHOD.NAME in TRAINING_FREE:
        refuse_training(cfg)
    data = open_data(cfg, runtime)
    model: nn.Module
    if cfg.METHOD.NAME in BASE_LEARNERS:
        model = _laid_out(cfg, build_base_learner(cfg, len(data.fold.base)).to(runtime.device))
        together = cfg.TRAIN.SYNC_NORMS and runtime.world_size > 1
        if together:
            model = synchronise_norms(model, runtime.device)
        task = _base_task(cfg, data, runtime)
        trained, scored = _base_training_lists(cfg, data), _base_validation_lists(cfg, data)[1]
        notes = [_describe("training pictures", trained), _describe("validation pictures", scored)]
        notes[:0] = [f"norms see the pictures of all {runtime.world_size} processes together"] * together
    else:
        method = build_method(cfg, data.fold.base, pretrained=pretrained).to(runtime.device)
        _laid_out(cfg, method)
        model = method
        task = _episodic_task(cfg, data, method, runtime)
        notes = [_describe("training episodes from", data.train), _selection(cfg)]
    header = {
        "method": cfg.METHOD.NAME,
        "backbone": backbone_name(cfg),
        "data": data.dataset.name,
        "fold": data.fold.number,
        "classes": [data.dataset.class_names[number - 1] for number in data.fold.base],
        "shots": cfg.EPISODE.SHOTS,
        "selection": _selection(cfg),
    }
    return TrainingJob(model, task, header, notes)


def _laid_out(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """The model with its convolutions in the memory layout that TRAIN.CHANNELS_LAST asks for."""
    layout = torch.channels_last if cfg.TRAIN.CHANNELS_LAST else torch.contiguous_format
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=layout)
    return model


def _describe(title: str, lists: FoldLists) -> str:
    return f"{title}: {len(lists.items)} pictures of {len(lists.classes)} classes ({lists.title})"


def _selection(cfg: CfgNode) -> str:
    """How the checkpoint is chosen, in words that go with every result."""
    words = {
        "base": "mIoU on base-class episodes",
        "test_fold": "mIoU on episodes of the test fold (as published)",
    }
    if cfg.VALIDATE.SELECT_ON not in words:
        raise InputError(f"VALIDATE.SELECT_ON is {cfg.VALIDATE.SELECT_ON!r}, expected {' or '.join(words)}")
    if cfg.METHOD.NAME in BASE_LEARNERS:
        pictures = {"base": "pictures without novel classes", "test_fold": "the whole test list (as published)"}
        return f"pixel mIoU over base classes, {pictures[cfg.VALIDATE.SELECT_ON]}"
    return words[cfg.VALIDATE.SELECT_ON]


def _episodic_task(cfg: CfgNode, data: SegmentationData, method: Method, runtime: Runtime) -> BatchTask[Any]:
    plan = TrainingPlan(
        data.train,
        n_shot=cfg.EPISODE.SHOTS,
        seed=cfg.SEED,
        n_episodes=cfg.TRAIN.EPISODES_PER_EPOCH,
        balanced=cfg.TRAIN.BALANCED,
        any_amount=cfg.TRAIN.ANY_AMOUNT,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
    )
    validate = _episode_validation(cfg, data, runtime)
    source: BatchSource
    if cfg.TRAIN.CACHE_VIEWS:
        source = _view_episodes(cfg, data, plan, method, runtime)
    else:
        dataset = EpisodeDataset(
            data.train_store,
            plan,
            train_transform(cfg, base_training=False),
            seed=cfg.SEED,
            annotation=cfg.EPISODE.ANNOTATION,
            base_classes=_labelled_classes(cfg, data),
        )
        source = _batches(cfg, dataset, len(plan), collate_episodes, runtime)
    return BatchTask(source, prepare_episode, validate)


def _batches(
    cfg: CfgNode, dataset: Any, n_items: int, collate: Callable[[Sequence[Any]], Any], runtime: Runtime
) -> Batches:
    return Batches(
        dataset,
        n_items,
        collate,
        batch_size=cfg.TRAIN.BATCH_SIZE,
        workers=cfg.DATA.WORKERS,
        rank=runtime.rank,
        world_size=runtime.world_size,
        pin_memory=runtime.device.type == "cuda",
        start_worker=start_worker,
    )


def _view_episodes(
    cfg: CfgNode, data: SegmentationData, plan: TrainingPlan, method: Method, runtime: Runtime
) -> ViewEpisodes:
    """Episodes from features of fixed views: the plain picture first, then random ones."""
    if cfg.EPISODE.ANNOTATION != "mask":
        raise InputError("TRAIN.CACHE_VIEWS keeps labels of all classes, so EPISODE.ANNOTATION must be 'mask'")
    plain = WithoutDraws(input_transform(cfg))
    others = [train_transform(cfg, base_training=True)] * (cfg.TRAIN.CACHE_VIEWS - 1)
    loader = ViewLoader(data.train_store, [plain, *others], seed=cfg.SEED)
    labels: dict[int, torch.Tensor] = {}

    def keep(view: View) -> None:
        labels[view.number] = view.label

    found = encode_all(
        method,
        loader.load,
        loader.numbers(plan.lists.items.tolist()),
        device=runtime.device,
        encode_batch=16,
        workers=cfg.DATA.WORKERS,
        visit=keep,
        progress="encoding training pictures" if runtime.is_main else "",
    )
    return ViewEpisodes(
        EncodedViews.stack(found, labels),
        plan,
        n_views=cfg.TRAIN.CACHE_VIEWS,
        batch_size=cfg.TRAIN.BATCH_SIZE,
        seed=cfg.SEED,
        rank=runtime.rank,
        world_size=runtime.world_size,
        base_classes=_labelled_classes(cfg, data),
        flip=cfg.TRAIN.FLIP_MAPS,
    )


def _labelled_classes(cfg: CfgNode, data: SegmentationData) -> tuple[int, ...]:
    """The classes whose labels the method's loss asks for, beside the mask."""
    return data.fold.base if cfg.METHOD.NAME == "bam" and cfg.METHOD.BAM.BASE_LOSS else ()


def _episode_validation(
    cfg: CfgNode, data: SegmentationData, runtime: Runtime
) -> Callable[[nn.Module], dict[str, float]]:
    """mIoU on base-class episodes, or on the test fold's, the same at every validation."""
    node = cfg.VALIDATE
    _selection(cfg)
    if node.SELECT_ON == "base":
        source = base_source(cfg, data, n_episodes=node.EPISODES, seed=node.SEED)
    else:
        plan = novel_plan(cfg, data, n_episodes=node.EPISODES, seed=node.SEED)
        source = episode_source(cfg, data.test_store, plan)
    classes = sorted({spec.classes[0] for spec in source.specs})
    run, score = evaluator(cfg, runtime, progress="validating"), logit_score(cfg)
    known: dict[int, Features] = {}

    def validate(method: nn.Module) -> dict[str, float]:
        assert isinstance(method, Method)
        if not known:
            known.update(encoded_once(cfg, runtime, method, [source]))
        rows = run(method, source, score, known=known)
        miou = iou.mean_iou(rows, classes)
        return {"score": miou, "miou": miou, "fb_iou": iou.fb_iou(rows)}

    return validate


def _base_task(cfg: CfgNode, data: SegmentationData, runtime: Runtime) -> BatchTask[Any]:
    """Pixel classification of the base classes; novel pixels are background, as in BAM's base training."""
    table = base_label_table(data.fold.base)
    lists = _base_training_lists(cfg, data)
    dataset = PixelDataset(data.train_store, lists, table, train_transform(cfg, base_training=True), seed=cfg.SEED)
    source = _batches(cfg, dataset, len(dataset), collate_pixels, runtime)
    store, lists = _base_validation_lists(cfg, data)
    fixed = PixelDataset(store, lists, table, WithoutDraws(input_transform(cfg)), seed=cfg.SEED)

    def validate(model: nn.Module) -> dict[str, float]:
        counts = count_pixels(
            model,
            fixed,
            n_labels=len(data.fold.base) + 1,
            device=runtime.device,
            batch_size=cfg.TEST.ENCODE_BATCH,
            workers=cfg.DATA.WORKERS,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )
        counts = iou.Counts(*(runtime.sum_counts(c) for c in (counts.intersection, counts.union, counts.target)))
        per_label = iou.label_iou(counts)
        occurs = counts.target[1:] > 0
        miou = float(per_label[1:][occurs].mean())
        return {"score": miou, "miou": miou, "background_iou": float(per_label[0])}

    def prepare(batch: PixelBatch, device: torch.device) -> PixelBatch:
        ready = prepare_pixels(batch, device)
        return ready.channels_last() if cfg.TRAIN.CHANNELS_LAST else ready

    return BatchTask(source, prepare, validate)


def _base_training_lists(cfg: CfgNode, data: SegmentationData) -> FoldLists:
    """The pictures a base learner trains on: those of base classes, or the whole list but for what is held out."""
    if not cfg.DATA.ALL_PICTURES:
        return data.train
    lists = whole_list(data.train_store.index, data.fold, title="the whole training list")
    if data.base_store is not data.train_store:
        return lists
    return lists.select(~np.isin(lists.items, data.base.items))


def _base_validation_lists(cfg: CfgNode, data: SegmentationData) -> tuple[PictureStore, FoldLists]:
    """The pictures a base learner is scored on: those without novel classes, or the whole test list (published)."""
    _selection(cfg)
    if cfg.VALIDATE.SELECT_ON == "base":
        return data.base_store, data.base
    return data.test_store, whole_list(data.test_store.index, data.fold, title="the whole test list")
