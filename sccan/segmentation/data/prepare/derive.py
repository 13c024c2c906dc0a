"""What follows from prepared label images and lists: the class-pixel index, the fold lists, and the counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sccan.episodes.index import ClassIndex
from sccan.segmentation.data.prepare.counts import Count, compare_counts
from sccan.segmentation.data.prepare.lists import write_fold_lists
from sccan.segmentation.data.prepare.own_lists import fold_list_folder
from sccan.segmentation.data.sets.datasets import Dataset
from sccan.segmentation.data.sets.folds import base_lists, novel_lists
from sccan.segmentation.data.sets.lists import read_list
from sccan.segmentation.data.sets.scan import build_index


@dataclass(frozen=True)
class Derivation:
    """How the lists of a data set become an index and fold lists.

    Attributes:
        cache: folder of indices; None: the usual one.
        workers: processes.
        prefix: data root to write before the paths of fold lists, as published ones have it.
    """

    cache: Path | None = None
    workers: int = 1
    prefix: str = ""


def derive(root: Path, dataset: Dataset, source_lists: dict[str, str], how: Derivation) -> list[Count]:
    """Indexes the lists, writes the fold lists beside them and compares the counts with the published ones.

    Args:
        root: data root.
        dataset: classes and folds.
        source_lists: ``train`` and ``val``, or one of them -> list file below the root.
        how: see `Derivation`.

    Raises InputError: a picture or label is unreadable, their sizes differ, or a label holds a value that is no class.
    """
    counts = []
    for part, name in source_lists.items():
        pairs = read_list(root / name, root)
        index = build_index(root, pairs, dataset.class_names, cache=how.cache, workers=how.workers)
        counts += compare_counts(dataset.name, part, index, dataset.folds)
        _write(root / fold_list_folder(name, part), part, index, dataset, how.prefix)
    return counts


def _write(folder: Path, part: str, index: ClassIndex, dataset: Dataset, prefix: str) -> None:
    for fold in dataset.folds:
        lists = base_lists(index, fold) if part == "train" else novel_lists(index, fold)
        write_fold_lists(folder, fold.number, index, lists, prefix)
