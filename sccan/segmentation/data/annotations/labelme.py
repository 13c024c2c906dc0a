"""Label images from LabelMe annotations: one JSON file per picture, with named polygons, boxes, circles or masks."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from sccan.episodes.index import IGNORE
from sccan.errors import InputError, nearest
from sccan.files.decoding import BROKEN, image_size
from sccan.segmentation.data.labels.raw_png import write_label

BACKGROUND_NAMES = ("_background_", "background")
IGNORE_NAMES = ("__ignore__", "ignore")


@dataclass(frozen=True)
class LabelMeTask:
    """One label image to make.

    Attributes:
        source: the JSON file.
        image: the picture it describes.
        class_numbers: class name -> number.
        target: the label image.
    """

    source: Path
    image: Path
    class_numbers: Mapping[str, int]
    target: Path


def make_label(task: LabelMeTask) -> None:
    """Writes the label image of one picture, see `label_of`.

    Raises InputError: see `label_of`, or the file cannot be written.
    """
    write_label(task.target, label_of(task.source, image_size(task.image), task.class_numbers))


def label_of(source: Path, size: tuple[int, int], class_numbers: Mapping[str, int]) -> np.ndarray:
    """The label image of one picture, uint8 [H, W]; later shapes cover earlier ones, as LabelMe's own export has it.

    Shapes named ``__ignore__`` become 255, ``_background_`` 0.

    Args:
        source: the JSON file.
        size: height and width of the picture.
        class_numbers: class name -> number.

    Raises InputError: the file is no annotation of LabelMe or is for a picture of another size, a name is no class, or
        a shape has no area.
    """
    label = np.zeros(size, dtype=np.uint8)
    for shape in read_shapes(source, size):
        label[_region(shape, size, source)] = _number(str(shape["label"]), source, class_numbers)
    return label


def names_in(source: Path) -> set[str]:
    """Names of the shapes of one file that are classes.

    Raises InputError: the file is no annotation of LabelMe.
    """
    return {str(shape["label"]) for shape in read_shapes(source)} - {*BACKGROUND_NAMES, *IGNORE_NAMES}


def read_shapes(source: Path, size: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """The shapes of one file, each with at least a label and points.

    Args:
        source: the JSON file.
        size: height and width of the picture, which the file must agree with if it names them.

    Raises InputError: see `label_of`.
    """
    try:
        content = json.loads(source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read as JSON: {error}") from error
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(_is_shape(shape) for shape in shapes):
        raise InputError(f'{source} is no annotation of LabelMe: expected "shapes" with a "label" and "points" each')
    stated = content.get("imageHeight"), content.get("imageWidth")
    if size is not None and None not in stated and stated != size:
        raise InputError(
            f"{source} is for a picture of {stated[0]}x{stated[1]} (height x width), but the picture is "
            f"{size[0]}x{size[1]}"
        )
    return shapes


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, dict) and isinstance(shape.get("label"), str) and isinstance(shape.get("points"), list)


def _number(name: str, source: Path, class_numbers: Mapping[str, int]) -> int:
    if name in class_numbers:
        return class_numbers[name]
    if name in IGNORE_NAMES:
        return IGNORE
    if name in BACKGROUND_NAMES:
        return 0
    raise InputError(
        f"{source} names {name!r}, which is not among the {len(class_numbers)} classes{nearest(name, class_numbers)}"
    )


def _region(shape: Mapping[str, Any], size: tuple[int, int], source: Path) -> np.ndarray:
    """Pixels of a shape, bool [H, W]."""
    kind = shape.get("shape_type") or "polygon"
    try:
        points = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
        if kind == "mask":
            return _mask(shape, points[0], size)
        canvas = np.zeros(size, dtype=np.uint8)
        if kind == "polygon" and len(points) > 2:
            cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 1)
        elif kind == "rectangle" and len(points) in (2, 4):
            (left, top), (right, bottom) = (np.rint(corner).astype(int) for corner in (points.min(0), points.max(0)))
            canvas[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)] = 1
        elif kind == "circle" and len(points) == 2:
            centre = (round(points[0][0]), round(points[0][1]))
            cv2.circle(canvas, centre, round(float(np.hypot(*(points[1] - points[0])))), 1, thickness=cv2.FILLED)
        else:
            raise InputError(
                f"{source}: a shape of {shape['label']!r} is a {kind} of {len(points)} points, which has no area; use "
                "polygons, rectangles, circles or masks"
            )
    except (*BROKEN, TypeError, IndexError, binascii.Error, cv2.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source}: a shape of {shape['label']!r} cannot be drawn: {error}") from error
    return canvas.astype(bool)


def _mask(shape: Mapping[str, Any], corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A shape stored as a small picture, placed with its top left at `corner`."""
    small = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(shape["mask"]), validate=True))).convert("L")) > 0
    left, top = (round(value) for value in corner)
    if min(left, top) < 0 or top + small.shape[0] > size[0] or left + small.shape[1] > size[1]:
        raise ValueError("its mask reaches over the edge of the picture")
    canvas = np.zeros(size, dtype=bool)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas
