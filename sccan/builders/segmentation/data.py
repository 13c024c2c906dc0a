"""Segmentation from settings: data set, fold, protocol, episode sources."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from sccan.builders.backbones import fitting_side, require_sides
from sccan.builders.engine import GIGABYTE
from sccan.engine.distributed import Runtime
from sccan.episodes.index import ClassIndex, FoldLists
from sccan.episodes.plan import EpisodePlan, StratifiedPlan
from sccan.errors import InputError
from sccan.files.plain import one_line
from sccan.segmentation.data.folder import open_dataset
from sccan.segmentation.data.prepare.lists import hsnet_items
from sccan.segmentation.data.sampling.pictures import PictureStore, SegmentationSource
from sccan.segmentation.data.sets.datasets import Dataset
from sccan.segmentation.data.sets.folds import Fold, base_lists, fold_lists, hold_out, novel_lists
from sccan.segmentation.data.sets.scan import build_index
from sccan.segmentation.data.transforms.published import FixedTransform
from sccan.segmentation.evaluation.protocols import Protocol, protocol
from sccan.segmentation.evaluation.scoring import LogitScore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationData:
    """One fold of a data set.

    Attributes:
        dataset: its description.
        fold: base and novel classes.
        train: pictures of base classes to train on, numbers into `train_store`.
        base: pictures of base classes for choosing checkpoints and thresholds, numbers into `base_store`.
        novel: pictures of novel classes, numbers into `test_store`.
        train_store, base_store, test_store: where they are read; the same object where the lists are the same.
    """

    dataset: Dataset
    fold: Fold
    train: FoldLists
    base: FoldLists
    novel: FoldLists
    train_store: PictureStore
    base_store: PictureStore
    test_store: PictureStore


def open_data(cfg: CfgNode, runtime: Runtime) -> SegmentationData:
    """Index the lists (on the main process first) and cut out the fold.

    Base-class episodes come from the test list, from pictures without a single novel pixel; where training and testing
    share one list, from a share of the training pictures that is held out (VALIDATE.HOLD_OUT).

    Raises InputError: the root, a list or a picture is missing or unfit, or the fold is empty.
    """
    node = cfg.DATA
    if not node.ROOT:
        raise InputError("DATA.ROOT is empty; set it to the folder that holds the pictures, with --opts DATA.ROOT PATH")
    with runtime.main_first():
        dataset = open_dataset(
            node.NAME,
            node.ROOT,
            cache=node.CACHE or None,
            class_file=node.CLASSES,
            n_folds=node.N_FOLDS,
            fold_rule=node.FOLD_RULE,
            train_list=node.TRAIN_LIST,
            val_list=node.VAL_LIST,
        )
        if runtime.is_main:
            for line in dataset.notes:
                logger.info("%s", one_line(line))
        fold = dataset.fold(node.FOLD)
        stores = _stores(cfg, dataset, runtime)
    train_store, test_store = stores
    novel_pixels = node.NOVEL_PIXELS or protocol_of(cfg).novel_pixels
    train = base_lists(train_store.index, fold, min_pixels=node.MIN_PIXELS, novel_pixels=novel_pixels)
    if train_store is test_store or cfg.VALIDATE.HOLD_OUT > 0:
        base_store = train_store
        train.require_items()
        share = cfg.VALIDATE.HOLD_OUT or 0.2
        train, base = hold_out(train, train_store.index, share=share, seed=cfg.SEED)
    else:
        base_store = test_store
        base = fold_lists(
            test_store.index,
            fold.base,
            excluded=fold.novel,
            min_pixels=node.MIN_PIXELS,
            title=f"the base-class list of fold {fold.number}",
        )
    novel = novel_lists(test_store.index, fold, min_pixels=node.MIN_PIXELS)
    return SegmentationData(dataset, fold, train, base, novel, train_store, base_store, test_store)


def _stores(cfg: CfgNode, dataset: Dataset, runtime: Runtime) -> tuple[PictureStore, PictureStore]:
    root, memory = Path(cfg.DATA.ROOT), cfg.DATA.MEMORY_GB * GIGABYTE

    def store(pairs: Any) -> PictureStore:
        index: ClassIndex = build_index(
            root,
            pairs,
            dataset.class_names,
            cache=cfg.DATA.CACHE or None,
            progress=runtime.is_main,
            strict=dataset.strict,
        )
        return PictureStore(index, memory_bytes=int(memory))

    train_pairs, val_pairs = dataset.pairs(root, train=True), dataset.pairs(root, train=False)
    train = store(train_pairs)
    return train, train if train_pairs == val_pairs else store(val_pairs)


def protocol_of(cfg: CfgNode) -> Protocol:
    """The protocol named TEST.PROTOCOL with its replaced parts."""
    node = cfg.TEST
    parts = {"resize": node.RESIZE, "compare_at": node.COMPARE_AT, "sampler": node.SAMPLER, "shots": node.SHOTS}
    return protocol(node.PROTOCOL, **parts)


def input_side(cfg: CfgNode) -> int:
    """Side of the network's input in tests: TEST.SIZE, or the one nearest to the protocol's own that it can take.

    Raises InputError: the backbone cannot take TEST.SIZE.
    """
    if cfg.TEST.SIZE:
        require_sides(cfg, "TEST.SIZE", (cfg.TEST.SIZE,))
        return int(cfg.TEST.SIZE)
    return fitting_side(cfg, protocol_of(cfg).input_size(cfg.DATA.NAME))


def base_source(cfg: CfgNode, data: SegmentationData, *, n_episodes: int, seed: int) -> SegmentationSource:
    """Stratified episodes of base classes on pictures without novel pixels."""
    plan = StratifiedPlan(data.base, n_shot=cfg.EPISODE.SHOTS, n_episodes=n_episodes, seed=seed, skip_small=True)
    return episode_source(cfg, data.base_store, plan)


def novel_plan(cfg: CfgNode, data: SegmentationData, *, n_episodes: int, seed: int) -> EpisodePlan:
    """Episodes of the novel classes as the protocol draws them."""
    return protocol_of(cfg).plan(
        data.novel,
        n_shot=cfg.EPISODE.SHOTS,
        n_episodes=n_episodes,
        seed=seed,
        skip_small=cfg.DATA.SKIP_SMALL_CLASSES,
        dataset=data.dataset.name,
        items=hsnet_items(Path(cfg.TEST.ITEMS), data.test_store.index) if cfg.TEST.ITEMS else None,
    )


def episode_source(cfg: CfgNode, store: PictureStore, plan: EpisodePlan) -> SegmentationSource:
    """The episodes of a plan with the protocol's resize."""
    return SegmentationSource(store, plan.episodes(), input_transform(cfg), annotation=cfg.EPISODE.ANNOTATION)


def input_transform(cfg: CfgNode) -> FixedTransform:
    """The protocol's resize to its input."""
    return protocol_of(cfg).transform(input_side(cfg))


def logit_score(cfg: CfgNode) -> LogitScore:
    """Counts at the size where the protocol compares."""
    return LogitScore(protocol_of(cfg).comparison(input_transform(cfg)))
