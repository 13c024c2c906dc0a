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
from pycocotools import mask as coco_mask

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.segmentation.data.annotations.instances import Picture, annotations_of
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
            larger ones (by COCO's field "area").
    """

    polygons: Literal["first", "all"]
    raster: Literal["opencv", "coco"]
    crowd: Literal["background", "ignore"]
    order: Literal["annotation", "large_first"]


VARIANTS = {
    "compatible": LabelVariant("first", "opencv", "background", "annotation"),
    "full": LabelVariant("all", "coco", "ignore", "annotation"),
    "layered": LabelVariant("all", "coco", "ignore", "large_first"),
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
    size = task.picture.height, task.picture.width
    try:
        label = paint(annotations_of(task.source, task.picture), size, task.class_numbers, VARIANTS[task.variant])
    except (KeyError, TypeError, ValueError, IndexError, cv2.error) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{task.source}: an annotation of {task.picture.file_name} cannot be drawn: {reason}"
        ) from error
    write_label(task.target, label)


def paint(
    annotations: Sequence[Annotation], size: tuple[int, int], class_numbers: Mapping[int, int], variant: LabelVariant
) -> np.ndarray:
    """A label image, uint8 [H, W].

    Args:
        annotations: of one picture, in the order of the file.
        size: height and width of the picture.
        class_numbers: category id -> class number.
        variant: the rule.
    """
    label = np.zeros(size, dtype=np.uint8)
    known = [annotation for annotation in annotations if annotation["category_id"] in class_numbers]
    instances = [annotation for annotation in known if not annotation.get("iscrowd", 0)]
    if variant.crowd == "ignore":
        for annotation in known:
            if annotation.get("iscrowd", 0):
                label[region_of(annotation["segmentation"], size)] = IGNORE
    if variant.order == "large_first":
        instances.sort(key=lambda annotation: -float(annotation["area"]))
    for annotation in instances:
        number = class_numbers[annotation["category_id"]]
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, list) and variant.polygons == "first":
            segmentation = segmentation[:1]
        if isinstance(segmentation, list) and variant.raster == "opencv":
            fill_polygons(label, segmentation, number)
        else:
            label[region_of(segmentation, size)] = number
    return label


def corners_of(polygons: Sequence[Sequence[float]]) -> list[np.ndarray]:
    """Corners x, y of every polygon, float64 [corners, 2] each.

    Raises ValueError: there is no polygon, or one has an odd number of coordinates or none.
    """
    if not polygons:
        raise ValueError("it has no polygon")
    arrays = [np.array(polygon, dtype=np.float64) for polygon in polygons]
    odd = next((array.size for array in arrays if array.size % 2 or not array.size), None)
    if odd is not None:
        raise ValueError(f"a polygon has {odd} coordinates; expected pairs x, y")
    return [array.reshape(-1, 2) for array in arrays]


def fill_polygons(label: np.ndarray, polygons: Sequence[Sequence[float]], number: int) -> None:
    """Fills polygons one by one with a class number, in place; corners are truncated to whole pixels.

    Args:
        label: uint8 [H, W].
        polygons: flat lists x, y, x, y ...
        number: what to fill with.
    """
    for corners in corners_of(polygons):
        cv2.fillPoly(label, [corners.astype(np.int32)], number)


def region_of(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """All pixels of an annotation (polygons, or a run-length code, compressed or not), bool [H, W].

    Polygons of fewer than three corners have no pixels (pycocotools would take two corners for a box).

    Raises ValueError: there is no polygon, one is no list of pairs, or a run-length code is for another size.
    """
    height, width = size
    if isinstance(segmentation, list):
        polygons = [corners.ravel().tolist() for corners in corners_of(segmentation) if len(corners) > 2]
        if not polygons:
            return np.zeros(size, dtype=bool)
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))).astype(bool)
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"a run-length code is for {segmentation['size']}, the picture is {[height, width]}")
    code = segmentation
    if isinstance(segmentation["counts"], list):
        code = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(code).astype(bool)
