"""Folds (which classes are novel) and fold lists (which pictures show them), derived from an index."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sccan.episodes.index import ClassIndex, FoldLists
from sccan.errors import InputError

MIN_PIXELS = 2 * 32 * 32
"""Pixels at the label's own size that make a class count in a picture, in all published lists."""


@dataclass(frozen=True)
class Fold:
    """A partition of the classes 1..n: `novel` ones are tested, `base` ones trained on; both ascending."""

    number: int
    base: tuple[int, ...]
    novel: tuple[int, ...]


def consecutive_folds(n_classes: int, n_folds: int) -> tuple[Fold, ...]:
    """Fold k tests the k-th block of classes: PASCAL-5i, and COCO-20i with ``use_split_coco: False``.

    Where the folds do not divide the classes, blocks differ by one. Raises InputError: fewer classes than folds.
    """
    bounds = [number * n_classes // _checked(n_folds, n_classes) for number in range(n_folds + 1)]
    blocks = [range(low + 1, high + 1) for low, high in itertools.pairwise(bounds)]
    return _folds(n_classes, blocks)


def interleaved_folds(n_classes: int, n_folds: int) -> tuple[Fold, ...]:
    """Fold k tests every `n_folds`-th class from k + 1 on: COCO-20i as every published configuration uses it.

    Raises InputError: fewer classes than folds.
    """
    starts = range(1, _checked(n_folds, n_classes) + 1)
    return _folds(n_classes, [range(start, n_classes + 1, n_folds) for start in starts])


FOLD_RULES = {"consecutive": consecutive_folds, "interleaved": interleaved_folds}


def _checked(n_folds: int, n_classes: int) -> int:
    if not 2 <= n_folds <= n_classes:
        raise InputError(f"{n_classes} classes cannot make {n_folds} folds; expected a number from 2 to {n_classes}")
    return n_folds


def _folds(n_classes: int, blocks: Sequence[Sequence[int]]) -> tuple[Fold, ...]:
    everything = range(1, n_classes + 1)
    return tuple(
        Fold(number, base=tuple(c for c in everything if c not in novel), novel=tuple(novel))
        for number, novel in enumerate(blocks)
    )


def fold_lists(
    index: ClassIndex,
    classes: Sequence[int],
    *,
    excluded: Sequence[int] = (),
    min_pixels: int = MIN_PIXELS,
    title: str = "the list",
) -> FoldLists:
    """Pictures that hold at least `min_pixels` of one of `classes` and not a single pixel of an excluded class.

    Args:
        index: class pixels of every picture.
        classes: class numbers to list.
        excluded: classes whose pictures are dropped, as the published training lists drop novel ones.
        min_pixels: what makes a class count in a picture.
        title: what the lists are called in messages.
    """
    kept = np.asarray(sorted(classes))
    pixels = index.counts[:, kept]
    allowed = ~(index.counts[:, list(excluded)] > 0).any(axis=1) if len(excluded) else np.ones(len(index), bool)
    items = np.flatnonzero(allowed & (pixels >= min_pixels).any(axis=1))
    names = tuple(index.class_names[number - 1] for number in kept)
    return FoldLists(
        tuple(int(number) for number in kept),
        items,
        pixels[items] > 0,
        pixels[items] >= min_pixels,
        names,
        title,
    )


def base_lists(index: ClassIndex, fold: Fold, *, min_pixels: int = MIN_PIXELS, novel_pixels: str = "drop") -> FoldLists:
    """Pictures for training on the base classes of a fold.

    Args:
        novel_pixels: ``drop`` leaves out pictures with a single pixel of a novel class (published SCCAN and BAM);
            ``background`` keeps them, the novel object being background (PFENet, HSNet, BAM's base learner).

    Raises InputError: `novel_pixels` is neither.
    """
    if novel_pixels not in ("drop", "background"):
        raise InputError(f"DATA.NOVEL_PIXELS is {novel_pixels!r}; expected 'drop' or 'background'")
    excluded = fold.novel if novel_pixels == "drop" else ()
    title = f"the training list of fold {fold.number}"
    return fold_lists(index, fold.base, excluded=excluded, min_pixels=min_pixels, title=title)


def novel_lists(index: ClassIndex, fold: Fold, *, min_pixels: int = MIN_PIXELS) -> FoldLists:
    """Pictures for testing on the novel classes of a fold; base classes may be present (published)."""
    return fold_lists(index, fold.novel, min_pixels=min_pixels, title=f"fold {fold.number}")


def whole_list(index: ClassIndex, fold: Fold, *, title: str) -> FoldLists:
    """Every picture of a list, whatever it shows: what BAM's base learner is trained and scored on."""
    pixels = index.counts[:, np.asarray(fold.base)]
    names = tuple(index.class_names[number - 1] for number in fold.base)
    return FoldLists(fold.base, np.arange(len(index)), pixels > 0, pixels > 0, names, title)


def hold_out(lists: FoldLists, index: ClassIndex, *, share: float, seed: int) -> tuple[FoldLists, FoldLists]:
    """The lists without about `share` of their pictures, and the lists of those.

    A picture's side is decided by a hash of its name and the seed, so it stays there when others come or go. For
    choosing a checkpoint on base classes where one list serves training and testing.

    Raises InputError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"a share of {share} was to be held out; expected a number between 0 and 1")
    keys = [hashlib.sha256(f"{seed}/{index.names[picture]}".encode()).digest() for picture in lists.items]
    held = np.array([int.from_bytes(key[:8], "big") < share * 2**64 for key in keys], dtype=bool)
    return lists.select(~held), lists.select(held)
