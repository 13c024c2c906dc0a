"""Reference cases of fold lists and episode sampling, on the made-up data set and on files known by number."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import IGNORE, ClassIndex, FoldLists
from sccan.reference import tiny_dataset
from sccan.reference.cases import Case
from sccan.reference.stated import matched
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.data.sampling.published_sampler import PublishedPlan, base_seeds
from sccan.segmentation.data.sets.datasets import COCO_CLASSES, VOC_CLASSES
from sccan.segmentation.data.sets.folds import (
    Fold,
    base_lists,
    consecutive_folds,
    fold_lists,
    interleaved_folds,
    novel_lists,
)
from sccan.segmentation.data.transforms.published import KeepAspect

Values = dict[str, Any]
HELD = (
    r"^\{i%(\d+)\+(\d+)\}, plus \((\d+)\*i\+(\d+)\)%(\d+)\+(\d+) where i%(\d+)==0, "
    r"plus (\d+) \(a class outside the fold\) where i%(\d+)==0"
)
"""Which classes a file holds, by its number i."""
RECORDED = "{i%5+1}, plus (2*i+1)%5+1 where i%3==0, plus 9 (a class outside the fold) where i%7==0"
"""The rule of a case that states none."""

# The made-up data set: classes, training pictures, validation pictures.
TINY = {"pascal": (VOC_CLASSES, 600, 360), "coco": (COCO_CLASSES, 300, 200)}


def run_fold_lists(case: Case) -> Values:
    """Which pictures of the made-up data set the list builder keeps, for every fold."""
    settings, minimum = case.config["tiny_dataset"], case.config["minimum_pixels"]
    indices = [_tiny_index(settings, case.config["data_set"], part) for part in (0, 1)]
    folds = {str(fold.number): _fold_record(indices, fold, minimum) for fold in _folds(case)}
    return {"facts.folds": {key: folds[key] for key in case.facts["folds"]}}


def _fold_record(indices: Sequence[ClassIndex], fold: Fold, minimum: int) -> Values:
    train, val = indices
    everything = base_lists(train, fold, min_pixels=minimum, novel_pixels="background")
    generalised = fold_lists(val, fold.novel, min_pixels=1)  # no area threshold, and every picture is a query
    return {
        "base_classes": list(fold.base),
        "novel_classes": list(fold.novel),
        "train": _names(base_lists(train, fold, min_pixels=minimum), train),
        "val": _names(novel_lists(val, fold, min_pixels=minimum), val),
        "train_without_novel_filter": _names(everything, train)["data_list"],
        "generalised_val": {"queries": len(val), "support_per_class": _names(generalised, val)["per_class"]},
    }


def _names(lists: FoldLists, index: ClassIndex) -> Values:
    return {
        "data_list": [index.names[number] for number in lists.items],
        "per_class": {str(c): [index.names[n] for n in listed] for c, listed in lists.per_class.items()},
    }


def run_published_episodes(case: Case) -> Values:
    """Episodes of the published sampler on the made-up data set, and the tensors of the first ones."""
    settings = _tiny_settings(case)
    fold, record = _folds(case)[case.config["fold"]], copy.deepcopy(case.facts["episodes"])
    size = int(re.search(r"Resize to (\d+)", case.data["outputs"]["val_query"]["what"])[1])  # type: ignore[index]
    results: Values = {}
    for part, letters in enumerate(("train", "val")):
        index = _tiny_index(settings, case.config["data_set"], part)
        lists = novel_lists(index, fold) if part else base_lists(index, fold)
        for kind in [key for key in record if key.startswith(letters)]:
            plan = _published_plan(record[kind], lists, case.config["shot"])
            record[kind]["episodes"] = [_episode_record(spec, lists, index) for spec in plan.episodes()]
            if "number_of_items" in record[kind]:
                record[kind]["number_of_items"] = len(lists.items)
            if kind == f"{letters}_single_process":
                results |= _first_tensors(plan.episode(0, 0), settings, part, letters, KeepAspect(size))
    return {**results, "facts.episodes": record}


def _published_plan(record: Values, lists: FoldLists, n_shot: int) -> PublishedPlan:
    """The plan of one recorded run; what a run derives from its seed is written into the record."""
    if "workers" not in record:
        return PublishedPlan(
            lists, n_shot=n_shot, n_episodes=len(record["episodes"]), seed=record["python_random_seed"], workers=0
        )
    seed, workers = record["torch_manual_seed"], record["workers"]
    record["base_seed"] = next(base_seeds(seed))
    return PublishedPlan(lists, n_shot=n_shot, n_episodes=len(record["episodes"]), seed=seed, workers=workers)


def _episode_record(spec: EpisodeSpec, lists: FoldLists, index: ClassIndex) -> Values:
    return {
        "query": index.names[spec.query[0][0]],
        "class_index": lists.class_index(spec.classes[0]),
        "supports": [index.names[picture] for picture in spec.support[0]],
    }


def _first_tensors(spec: EpisodeSpec, settings: Values, part: int, letters: str, transform: KeepAspect) -> Values:
    pictures = [_tiny_arrays(settings, part, number) for number in spec.pictures]
    images = torch.stack([transform.image(image) for image, _ in pictures])
    masks = [class_mask(label, spec.classes[0]) for _, label in pictures]
    labels = np.stack([transform.label(mask) for mask in masks])
    return {
        f"{letters}_query": images[0],
        f"{letters}_support": images[1:],
        f"{letters}_label": labels[0],
        f"{letters}_support_label": labels[1:],
        f"{letters}_raw_label": masks[0],
    }


def _folds(case: Case) -> tuple[Fold, ...]:
    case.config.only(data_set=tuple(TINY))
    interleaved = case.config.get("use_split_coco", False)  # pascal has no such split
    if case.config["data_set"] == "pascal":
        return consecutive_folds(20, 4)
    return (interleaved_folds if interleaved else consecutive_folds)(80, 4)


def _tiny_settings(case: Case) -> Values:
    """Arguments of the made-up data set: as the case says, else those of the fold list cases."""
    names, train, val = TINY[case.config["data_set"]]
    default = {"classes": len(names), "train": train, "val": val, "seed": case.config.get("tiny_dataset_seed", 0)}
    return {**default, **case.config.get("tiny_dataset", {})}


def _tiny_arrays(settings: Values, part: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    return tiny_dataset.arrays(number, part, settings["classes"], settings["seed"])


def _tiny_index(settings: Values, data_set: str, part: int) -> ClassIndex:
    names, letter, count = TINY[data_set][0], "tv"[part], settings["val" if part else "train"]
    labels = [_tiny_arrays(settings, part, number)[1] for number in range(count)]
    histograms = np.stack([np.bincount(label.reshape(-1), minlength=256) for label in labels])
    return ClassIndex(
        root=Path("."),
        images=tuple(f"JPEGImages/{letter}{number:04d}.png" for number in range(count)),
        labels=tuple(f"SegmentationClassAug/{letter}{number:04d}.png" for number in range(count)),
        counts=histograms[:, : settings["classes"] + 1],
        ignored=histograms[:, IGNORE],
        sizes=np.array([label.shape for label in labels]),
        class_names=names[: settings["classes"]],
    )


def run_sccan_published_episodes(case: Case) -> Values:
    """Episodes of the published sampler on files whose classes follow from their numbers."""
    config, fold = case.config, tuple(case.config["fold_classes"])
    config.like(base_seed_first_pass="^first int64 drawn by torch")
    numbers = [int(n) for n in matched(HELD, config.get("classes_of_file_i", RECORDED), "classes_of_file_i").groups()]
    held = [_classes_of_file(number, *numbers) for number in range(config["files"])]
    present = np.array([[c in classes for c in fold] for classes in held])
    items = np.flatnonzero(present.any(1))  # files without any class of the fold are in no list
    lists = FoldLists(fold, items, present[items], present[items])
    plan = PublishedPlan(
        lists, n_shot=config["shot"], n_episodes=config["episodes"], seed=config["seed"], workers=config["workers"]
    )
    rows = [(spec.query[0][0], lists.class_index(spec.classes[0]), *spec.support[0]) for spec in plan.episodes()]
    return {"episodes": np.array(rows)}


def _classes_of_file(i: int, *numbers: int) -> set[int]:
    """The classes of file i by the numbers of `HELD`."""
    period, first, factor, plus, period2, first2, every, outside, every_outside = numbers
    second = {(factor * i + plus) % period2 + first2} if i % every == 0 else set()
    return {i % period + first} | second | ({outside} if i % every_outside == 0 else set())
