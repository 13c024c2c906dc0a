"""Label images from COCO annotations, in named variants: which of them made a data set decides its numbers.

``compatible`` is the rule that a script published with RePRI states, which calls itself the original one of PFENet's
family; ``full`` shows every pixel that COCO annotates. `docs/coco_labels.md` measures where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.structured import shown
from sccan.files.tally import Note
from sccan.segmentation.data.annotations.instances import Picture, annotations_of, as_number, is_crowd
from sccan.segmentation.data.annotations.run_lengths import region_of_code
from sccan.segmentation.data.annotations.shapes import (
    SHARES,
    clipped,
    coco_area,
    flat_corners,
    lies_over,
    seems_shares,
)
from sccan.segmentation.data.labels.raw_png import write_label

Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class LabelVariant:
    """How annotations become a label image.

    Attributes:
        polygons: ``first``: of every annotation only its first polygon; ``all``: all of them.
        raster: ``opencv``: corners truncated to whole pixels, filled with the pixels of the contour; ``coco``: COCO's
            own rasteriser, which cuts through pixels.
        crowd: what regions annotated as a crowd become: ``background``, or ``ignore`` (255, below every instance).
        order: which instance covers which: ``annotation``: later ones earlier ones; ``large_first``: smaller ones
            larger ones (by COCO's field "area", or by their pixels where that says nothing).
        boxes: what becomes of annotations without a mask, which tools for detection write.
    """

    polygons: Literal["first", "all"]
    raster: Literal["opencv", "coco"]
    crowd: Literal["background", "ignore"]
    order: Literal["annotation", "large_first"]
    boxes: Literal["refuse", "leave out"] = "refuse"


VARIANTS = {
    "compatible": LabelVariant("first", "opencv", "background", "annotation"),
    "full": LabelVariant("all", "coco", "ignore", "annotation"),
    "layered": LabelVariant("all", "coco", "ignore", "large_first", "leave out"),
}
"""``compatible`` and ``full`` are offered for COCO-20i; ``layered`` is for pictures of one's own."""


@dataclass(frozen=True)
class LabelTask:
    """One label image to make.

    Attributes:
        source: the instances file.
        picture: the picture, and where its annotations stand in the file.
        variant: key of `VARIANTS`.
        class_numbers: category id -> class number; annotations of other categories are left out.
        target: the label image.
    """

    source: Path
    picture: Picture
    variant: str
    class_numbers: Mapping[int, int]
    target: Path


def make_label(task: LabelTask) -> None:
    """Writes the label image of one picture.

    Raises InputError: an annotation is unfit, or the file cannot be written.
    """
    write_label(
        task.target, label_of(task.source, task.picture, task.class_numbers, task.variant)[0], source=task.source
    )


def label_of(
    source: Path, picture: Picture, class_numbers: Mapping[int, int], variant: str
) -> tuple[np.ndarray, list[Note]]:
    """The label image of one picture, uint8 [H, W], and what was left out or clipped.

    Raises InputError: an annotation is unfit; the line names it.
    """
    notes: list[Note] = []
    size = picture.height, picture.width
    try:
        label = paint(annotations_of(source, picture), size, class_numbers, VARIANTS[variant], notes)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        name, reason = plain(picture.file_name), " ".join(str(error).split())
        raise InputError(f"{source}: an annotation of {name} cannot be drawn: {reason}") from error
    return label, notes


def paint(
    annotations: Sequence[Annotation],
    size: tuple[int, int],
    class_numbers: Mapping[int, int],
    variant: LabelVariant,
    notes: list[Note] | None = None,
) -> np.ndarray:
    """A label image, uint8 [H, W].

    Args:
        annotations: of one picture, in the order of the file.
        size: height and width of the picture.
        class_numbers: category id -> class number.
        variant: the rule.
        notes: gets what was left out or clipped, by the annotation's id.

    Raises ValueError: an annotation cannot be drawn.
    """
    label = np.zeros(size, dtype=np.uint8)
    notes = [] if notes is None else notes
    known = [annotation for annotation in annotations if as_number(annotation.get("category_id")) in class_numbers]
    if variant.boxes == "leave out":
        notes += [("left out, as they are boxes without a mask", _called(one)) for one in known if is_bare(one)]
        known = [one for one in known if not is_bare(one)]
    if variant.crowd == "ignore":
        for annotation in known:
            if is_crowd(annotation.get("iscrowd")):
                notes.append(("ignored where they mark a crowd", _called(annotation)))
                label[_region(annotation, annotation.get("segmentation"), size, notes)] = IGNORE
    instances = [annotation for annotation in known if not is_crowd(annotation.get("iscrowd"))]
    if variant.order == "large_first":
        instances.sort(key=lambda annotation: -_area(annotation, size))
    for annotation in instances:
        number = class_numbers[as_number(annotation["category_id"])]
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, list) and variant.polygons == "first" and not _is_flat(segmentation):
            segmentation = segmentation[:1]
        if isinstance(segmentation, list) and variant.raster == "opencv":
            fill_polygons(label, segmentation, number)
        else:
            label[_region(annotation, segmentation, size, notes)] = number
    return label


def is_bare(annotation: Annotation) -> bool:
    """Whether an annotation has no mask at all."""
    segmentation = annotation.get("segmentation")
    return segmentation is None or segmentation in ([], [[]], {})


def corners_of(polygons: Sequence[Sequence[float]]) -> list[np.ndarray]:
    """Corners x, y of every polygon, float64 [corners, 2] each.

    Raises ValueError: there is no polygon, or one is no list of finite pairs.
    """
    if not polygons:
        raise ValueError("it has no polygon")
    return [flat_corners(polygon) for polygon in ([polygons] if _is_flat(polygons) else polygons)]


def fill_polygons(label: np.ndarray, polygons: Sequence[Sequence[float]], number: int) -> None:
    """Fills polygons one by one with a class number, in place; corners are truncated to whole pixels.

    Args:
        label: uint8 [H, W].
        polygons: flat lists x, y, x, y ...
        number: what to fill with.
    """
    for corners in corners_of(polygons):
        near = clipped(corners, label.shape, max(label.shape) + 2.0)
        if len(near):
            cv2.fillPoly(label, [near.astype(np.int32)], number)


def region_of(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """All pixels of an annotation (polygons, or a run-length code, compressed or not), bool [H, W].

    Polygons of fewer than three corners have no pixels (pycocotools would take two corners for a box).

    Raises ValueError: there is no polygon, one is no list of pairs, or a run-length code does not fit the size.
    """
    if isinstance(segmentation, list):
        return coco_area(corners_of(segmentation), size)
    if not isinstance(segmentation, Mapping):
        raise ValueError(f"its segmentation is {shown(segmentation)}; expected polygons or a run-length code")
    return region_of_code(segmentation, size)


def _region(annotation: Annotation, segmentation: Any, size: tuple[int, int], notes: list[Note]) -> np.ndarray:
    try:
        region = region_of(segmentation, size)
        if isinstance(segmentation, list) and any(lies_over(ring, size) for ring in corners_of(segmentation)):
            notes.append(("clipped at the edge of their picture", _called(annotation)))
        if isinstance(segmentation, list) and any(map(seems_shares, corners_of(segmentation))):
            notes.append((SHARES, _called(annotation)))
    except ValueError as error:
        raise ValueError(f"{_called(annotation)}: {error}") from error
    if not region.any():
        notes.append(("without a pixel", _called(annotation)))
    return region


def _area(annotation: Annotation, size: tuple[int, int]) -> float:
    """COCO's field, or the pixels where it says nothing."""
    stated = annotation.get("area")
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 <= stated < 1e15:
        return float(stated)
    return float(np.count_nonzero(_region(annotation, annotation.get("segmentation"), size, [])))


def _is_flat(polygons: Sequence[Any]) -> bool:
    """Whether it is one polygon, written without the list around it."""
    return all(isinstance(one, int | float) for one in polygons)


def _called(annotation: Annotation) -> str:
    return f"annotation {shown(annotation.get('id', 'without id'))}"
