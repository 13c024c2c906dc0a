"""Which picture holds which class: the table that fold lists and episode plans are made from, for both tasks."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sccan.errors import InputError, nearest

IGNORE = 255
"""Label value of pixels that count neither as foreground nor as background."""


@dataclass(frozen=True, eq=False)
class ClassIndex:
    """Pictures in the order of their list, and how much of every class each one holds.

    Classes are numbered from 1, as in the label images; 0 is background (segmentation) or empty (classification,
    where `counts` is 1 in the column of the picture's class).

    Attributes:
        root: folder that the paths are relative to.
        images: path of every picture, with forward slashes.
        labels: path of every label image, likewise; empty where a task has none.
        counts: amount of class 0..n in every picture (segmentation: pixels), int64 [pictures, n + 1].
        ignored: pixels labelled 255, int64 [pictures].
        sizes: height and width of every picture, int64 [pictures, 2].
        class_names: names of the classes 1..n.
        fingerprint: changes when one of the files is replaced; a cached index that does not match is stale.
    """

    root: Path
    images: tuple[str, ...]
    labels: tuple[str, ...]
    counts: np.ndarray
    ignored: np.ndarray
    sizes: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """A short unique name per picture: the file's stem, or its path without suffix where stems repeat."""
        stems = tuple(Path(image).stem for image in self.images)
        if len(set(stems)) == len(stems):
            return stems
        return tuple(str(Path(image).with_suffix("").as_posix()) for image in self.images)

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of names, sizes and class counts: equal wherever the same data set lies, whenever it was copied."""
        digest = hashlib.sha256("\n".join([*self.names, *self.class_names]).encode())
        for table in (self.counts, self.ignored, self.sizes):
            digest.update(np.ascontiguousarray(table, dtype="<i8").tobytes())
        return digest.hexdigest()[:16]

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def number_of(self, name: str) -> int:
        """The number of the picture called `name`.

        Raises InputError: there is no such picture; the line names the nearest one.
        """
        if name not in self._numbers:
            raise InputError(
                f"picture {name!r} is not in the data set of {len(self)} pictures{nearest(name, self.names)}"
            )
        return self._numbers[name]

    def image_path(self, number: int) -> Path:
        return self.root / self.images[number]

    def label_path(self, number: int) -> Path:
        return self.root / self.labels[number]


@dataclass(frozen=True, eq=False)
class FoldLists:
    """The pictures that may serve as queries, and those that may serve each class as support.

    Attributes:
        classes: class numbers, ascending; the position of a class in here is its published class index.
        items: numbers of the pictures that count for at least one class, in the order of the index.
        present: whether any amount of a class is in a picture, [items, classes].
        counted: whether enough of a class is in a picture to list it for that class, [items, classes].
        names: name of every class of `classes`.
        title: what the lists are called in messages, for instance ``fold 1``.
    """

    classes: tuple[int, ...]
    items: np.ndarray
    present: np.ndarray
    counted: np.ndarray
    names: tuple[str, ...] = ()
    title: str = "the list"
    _columns: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = (len(self.items), len(self.classes))
        if self.present.shape != shape or self.counted.shape != shape:
            raise ValueError(f"tables of shape {self.present.shape} and {self.counted.shape}, expected {shape}")
        object.__setattr__(self, "_columns", {number: column for column, number in enumerate(self.classes)})

    @functools.cached_property
    def per_class(self) -> dict[int, np.ndarray]:
        """Picture numbers listed for every class, in the order of the index."""
        return {number: self.items[self.counted[:, column]] for number, column in self._columns.items()}

    def class_index(self, number: int) -> int:
        """Position of a class among the classes of the lists."""
        return self._columns[number]

    def classes_of(self, position: int, *, any_amount: bool = True) -> tuple[int, ...]:
        """Classes of the picture at `position` of `items`: all it holds, or those it is listed for; ascending."""
        row = (self.present if any_amount else self.counted)[position]
        return tuple(number for number, held in zip(self.classes, row, strict=True) if held)

    def describe(self, number: int) -> str:
        """A class for a message: ``class 17 (sheep)``."""
        return f"class {number} ({self.names[self.class_index(number)]})" if self.names else f"class {number}"

    def require_items(self) -> None:
        """Raises InputError: the lists are empty."""
        if len(self.items) == 0:
            raise InputError(
                f"{self.title} is empty: no picture holds enough of its {len(self.classes)} classes; "
                "check the labels and the list, or lower DATA.MIN_PIXELS"
            )

    def select(self, keep: np.ndarray | Sequence[bool]) -> FoldLists:
        """The lists with only the items where `keep` is true."""
        chosen = np.asarray(keep, dtype=bool)
        return FoldLists(
            self.classes, self.items[chosen], self.present[chosen], self.counted[chosen], self.names, self.title
        )
