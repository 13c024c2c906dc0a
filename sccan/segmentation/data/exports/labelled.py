"""Pictures with their label maps on the way into files, and what every format shares."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.files.inside import real
from sccan.files.writing import written_beside
from sccan.segmentation.data.exports.outlines import parts_of

PICTURES = "images"


@dataclass(frozen=True, eq=False)
class Labelled:
    """A picture and what is in it.

    Attributes:
        name: path below the pictures' folder, with slashes.
        source: its file.
        label: 0 background, 1, 2, ... classes, 255 ignored, uint8 [h, w].
        scores: how probable the region of every class is; None: a person drew it.
    """

    name: str
    source: Path | None
    label: np.ndarray
    scores: Sequence[float] | None = None

    def score(self, number: int) -> float:
        """Of a class."""
        return 1.0 if self.scores is None else self.scores[number - 1]


def regions_of(label: np.ndarray, *, instances: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Class numbers and their pixels, bool [h, w]: one region per class, or one per connected part.

    Args:
        label: uint8 [h, w]; what is ignored is no region.
    """
    for number in sorted(set(np.unique(label).tolist()) - {0, IGNORE}):
        if instances:
            yield from ((number, part) for part in parts_of(label == number))
        else:
            yield number, label == number


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """Name -> a name without folders, no two with the same stem, as data sets for training have them."""
    taken: Counter[str] = Counter()
    found = {}
    for name in names:
        path = PurePosixPath(name)
        stem = "__".join([*path.parts[:-1], path.stem])
        while taken[stem.lower()]:
            stem += "_"
        taken[stem.lower()] += 1
        found[name] = stem + path.suffix
    return found


def stem_of(name: str) -> str:
    """A picture's name without its suffix."""
    return PurePosixPath(name).with_suffix("").as_posix()


def put_picture(source: Path, target: Path) -> None:
    """The same picture at another place: a second name for the file where the disk allows it, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(real(source), target)
    except OSError:
        with written_beside(target, durable=False) as beside:
            shutil.copyfile(source, beside)
