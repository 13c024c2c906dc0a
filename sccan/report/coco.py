"""Label maps as annotations in COCO's instance format, run-length coded or as polygons."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sccan.files.spool import Spool
from sccan.files.writing import write_json


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


def write_instances(
    path: Path, pictures: Iterable[CodedPicture], class_names: Sequence[str], info: Mapping[str, Any]
) -> Path:
    """Writes an instances file, whole or not at all; ids count from 1, in the order given.

    Pictures are walked through once and none is kept: what is annotated, which stands behind the list of all pictures,
    lies on the disk meanwhile.

    Args:
        path: of the file.
        pictures: all of them, also those without a region.
        class_names: the categories.
        info: plain data about the whole.

    Raises InputError: it cannot be written.
    """
    categories = {name: number for number, name in enumerate(class_names, 1)}
    with Spool(path.parent) as annotations:

        def images() -> Iterator[dict[str, Any]]:
            ids = itertools.count(1)
            for number, picture in enumerate(pictures, 1):
                for region in picture.regions:
                    about = {"id": next(ids), "image_id": number, "category_id": categories[region.class_name]}
                    annotations.add(about | _annotation(region, picture.size))
                height, width = picture.size
                yield {"id": number, "file_name": picture.file_name, "height": height, "width": width}

        content = {
            "info": dict(info),
            "images": images(),
            "annotations": iter(annotations),  # begins to read when it is asked for the first, behind all images
            "categories": [{"id": number, "name": name} for name, number in categories.items()],
        }
        return write_json(path, content)


def _annotation(region: CodedRegion, size: tuple[int, int]) -> dict[str, Any]:
    code = {"size": list(size), "counts": region.counts}
    return {
        "segmentation": [list(polygon) for polygon in region.polygons] or code,
        "area": int(coco_mask.area(code)),
        "bbox": coco_mask.toBbox(code).tolist(),
        "iscrowd": int(region.crowd),
        "score": region.score,
    }
