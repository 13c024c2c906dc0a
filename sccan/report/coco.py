"""Label maps as annotations in COCO's instance format, run-length coded or as polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


@dataclass(frozen=True)
class CodedRegion:
    """Pixels of one class in one picture: all of them, or one object.

    Attributes:
        class_name: the class.
        counts: run-length code as COCO writes it.
        score: how probable it is, in [0, 1].
        polygons: the same as flat lists x, y, x, y ..., which are then written instead.
        crowd: many objects, or pixels that are to be ignored.
    """

    class_name: str
    counts: str
    score: float
    polygons: Sequence[Sequence[float]] = ()
    crowd: bool = False


@dataclass(frozen=True)
class CodedPicture:
    """A picture and its regions.

    Attributes:
        file_name: of the picture.
        size: height and width.
        regions: of the classes that are there.
    """

    file_name: str
    size: tuple[int, int]
    regions: Sequence[CodedRegion]


def run_lengths(region: np.ndarray) -> str:
    """The run-length code of a mask, bool [h, w]."""
    counts: bytes = coco_mask.encode(np.asfortranarray(region, dtype=np.uint8))["counts"]
    return counts.decode("ascii")


def region_of_lengths(counts: str, size: tuple[int, int]) -> np.ndarray:
    """The mask of a run-length code of ours, bool [h, w]."""
    region: np.ndarray = coco_mask.decode({"size": list(size), "counts": counts}).astype(bool)
    return region


def coco_instances(
    pictures: Sequence[CodedPicture], class_names: Sequence[str], info: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of an instances file; ids count from 1, in the order given.

    Args:
        pictures: all of them, also those without a region.
        class_names: the categories.
        info: plain data about the whole.
    """
    categories = {name: number for number, name in enumerate(class_names, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, 1):
        height, width = picture.size
        images.append({"id": number, "file_name": picture.file_name, "height": height, "width": width})
        for region in picture.regions:
            code = {"size": [height, width], "counts": region.counts}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[region.class_name],
                    "segmentation": [list(polygon) for polygon in region.polygons] or code,
                    "area": int(coco_mask.area(code)),
                    "bbox": coco_mask.toBbox(code).tolist(),
                    "iscrowd": int(region.crowd),
                    "score": region.score,
                }
            )
    named = [{"id": number, "name": name} for name, number in categories.items()]
    return {"info": dict(info), "images": images, "annotations": annotations, "categories": named}
