"""Which rule made the label images at hand? They are compared, pixel by pixel, with what each rule would paint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sccan.errors import InputError
from sccan.files.parallel import in_parallel
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.annotations.coco_labels import VARIANTS, LabelVariant, paint
from sccan.segmentation.data.annotations.instances import Instances, Picture, annotations_of
from sccan.segmentation.data.prepare.coco import CLASS_NUMBERS

COMPATIBLE = VARIANTS["compatible"]
CHAIN: tuple[tuple[str, str, LabelVariant], ...] = (
    ("compatible", "", COMPATIBLE),
    ("... with COCO's rasteriser", "contours and truncated corners", replace(COMPATIBLE, raster="coco")),
    ("... and all polygons", "polygons after the first", replace(COMPATIBLE, raster="coco", polygons="all")),
    ("full", "crowds", VARIANTS["full"]),
    ("layered", "painting order", VARIANTS["layered"]),
)
"""Name of a rule, what sets it apart from the one before, and the rule."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """How a set of label images differs from each rule of `CHAIN`.

    Attributes:
        pictures: compared pictures.
        pixels: their pixels.
        identical: pictures that a rule paints exactly, per rule.
        differing: pixels that a rule paints otherwise, per rule.
        closest: position of the rule with the fewest differing pixels; the first of equals.
        effects: of the pixels in which ``compatible`` differs, those set right by each step towards `closest`;
            int64 [closest + 1], the first entry being what remains unexplained.
    """

    pictures: int
    pixels: int
    identical: tuple[int, ...]
    differing: tuple[int, ...]
    closest: int
    effects: tuple[int, ...]


def compare_labels(instances: Instances, labels: Path, *, workers: int) -> Comparison:
    """Compares the label images of a folder with every rule.

    Only pictures with annotations and a label image are compared.

    Raises InputError: no picture has a label image, a label is unreadable or of another size, or an annotation is
        unfit.
    """
    have = {file.stem for file in labels.glob("*.png")}
    pictures = [picture for picture in instances.pictures() if Path(picture.file_name).stem in have]
    if not pictures:
        raise InputError(f"no picture of {instances.path} has a label image NAME.png in {labels}")
    rows = list(
        in_parallel(
            partial(compare_picture, instances.path, labels),
            pictures,
            total=len(pictures),
            workers=workers,
            title="comparing labels",
        )
    )
    differing = [sum(row.differing[step] for row in rows) for step in range(len(CHAIN))]
    closest = int(np.argmin(differing))
    gained = np.sum([row.gained[closest] for row in rows], axis=0)
    return Comparison(
        len(rows),
        sum(row.pixels for row in rows),
        tuple(sum(row.differing[step] == 0 for row in rows) for step in range(len(CHAIN))),
        tuple(differing),
        closest,
        tuple(int(count) for count in gained[: closest + 1]),
    )


@dataclass(frozen=True, eq=False)
class PictureRow:
    """Differences of one picture: pixels per rule, and `Comparison.effects` for every possible closest rule."""

    pixels: int
    differing: tuple[int, ...]
    gained: np.ndarray


def compare_picture(source: Path, labels: Path, picture: Picture) -> PictureRow:
    """Compares one label image with every rule; the rules' own order of steps decides what a pixel is counted under.

    Raises InputError: see `compare_labels`.
    """
    path = labels / f"{Path(picture.file_name).stem}.png"
    given, size = read_label(path), (picture.height, picture.width)
    if given.shape != size:
        raise InputError(f"label {path} is {given.shape} (height, width), but {source.name} says {size}")
    annotations = annotations_of(source, picture)
    right = np.stack([paint(annotations, size, CLASS_NUMBERS, rule) == given for _, _, rule in CHAIN])
    return PictureRow(given.size, tuple(int((~same).sum()) for same in right), _gains(right))


def _gains(right: np.ndarray) -> np.ndarray:
    """Pixels that become right for good at step j on the way to rule m, int64 [m, j]; j = 0: wrong at m.

    Args:
        right: whether a rule paints a pixel as given, bool [rules, H, W]; only pixels wrong in rule 0 are counted.
    """
    wrong_first = right[:, ~right[0]]
    gains = np.zeros((len(right), len(right)), dtype=np.int64)
    for last in range(len(right)):
        stays = np.flip(np.logical_and.accumulate(np.flip(wrong_first[: last + 1], 0), 0), 0)  # right from here to last
        first = np.where(stays.any(axis=0), stays.argmax(axis=0), 0)
        gains[last] = np.bincount(first, minlength=len(right))
    return gains


def effect_names(closest: int) -> Sequence[str]:
    """What each entry of `Comparison.effects` counts."""
    return ["not explained", *(what for _, what, _ in CHAIN[1 : closest + 1])]
