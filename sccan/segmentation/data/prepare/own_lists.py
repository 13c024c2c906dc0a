"""Which lists below a data root are ours: those of somebody else that bear their names stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sccan.files.made import made_before
from sccan.segmentation.data.prepare.lists import fold_list_names
from sccan.segmentation.data.sets import record
from sccan.segmentation.data.sets.folds import Fold

FOLD_LISTS = "fss_list"
"""Folder of fold lists beside the source lists, named as in published code."""


def fold_list_folder(source_list: str, part: str) -> str:
    """Where the fold lists of a source list go, below the data root."""
    return str(PurePosixPath(source_list).parent / FOLD_LISTS / part)


def claim_lists(root: Path, source_lists: Iterable[str], folds: Iterable[Fold]) -> None:
    """Notes source lists, and the fold lists that follow from them, as ours.

    Args:
        root: data root.
        source_lists: their paths below it.
        folds: of the data set.

    Raises InputError: a list of that name is there and was not made by us.
    """
    source_lists = list(source_lists)
    below = {fold_list_folder(name, part) for name in source_lists for part in ("train", "val")}
    names = [f"{folder}/{name}" for folder in sorted(below) for fold in folds for name in fold_list_names(fold.number)]
    names += source_lists
    advice = "move it away, or choose another --root"
    made_before(root, names, lambda place: (place / record.FILE).is_file(), advice=advice).claim_all(names)
