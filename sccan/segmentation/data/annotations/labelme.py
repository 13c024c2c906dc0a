"""LabelMe's annotations: one JSON file per picture, with named polygons, boxes, circles or masks."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from sccan.errors import InputError
from sccan.files.kinds import BACKGROUND_NAMES
from sccan.files.plain import plain
from sccan.files.structured import Finite, read_json, shown
from sccan.files.tally import Note, Tally
from sccan.pictures.decoding import image_size
from sccan.pictures.heads import BROKEN
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, ordered_classes
from sccan.segmentation.data.annotations.contents import parsed
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.shapes import (
    IGNORE_NAMES,
    Kind,
    Shape,
    corners,
    draw_shapes,
)
from sccan.segmentation.data.labels.raw_png import write_label

HOW = "LabelMe shapes"
KINDS: Mapping[str, tuple[Kind, int, int]] = {
    "polygon": ("outline", 3, 10**9),
    "rectangle": ("box", 2, 4),
    "circle": ("circle", 2, 2),
    "rotation": ("outline", 3, 4),
    "oriented_rectangle": ("outline", 3, 4),
    "mask": ("mask", 1, 2),
}
"""LabelMe's word -> what it is drawn as, and how many points it may have (``rotation`` is X-AnyLabeling's)."""
LARGEST_MASK = 1 << 28
"""Pixels of a mask within a file."""


class _Shape(msgspec.Struct):
    """One entry of "shapes"."""

    label: str
    points: list[list[Finite]]
    shape_type: str | None = None
    mask: str | None = None

    def __post_init__(self) -> None:
        self.label = self.label.strip()


class _File(msgspec.Struct):
    shapes: list[_Shape]
    imagePath: str | None = None  # LabelMe's own names
    imageHeight: int | float | str | None = None
    imageWidth: int | float | str | None = None


@dataclass(frozen=True)
class LabelMeDraw:
    """Draws the label of one picture, see `Draw`."""

    source: Path

    def __call__(self, size: tuple[int, int], numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
        return label_of(self.source, size, numbers)


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
    write_label(task.target, label_of(task.source, image_size(task.image), task.class_numbers)[0], source=task.source)


def read(place: Place) -> Annotations | None:
    """The LabelMe files of a folder, known by their content; the picture is the one they name, or of their own name.

    Raises InputError: a file is unfit, or nothing is named.
    """
    found: dict[Path, Path] = {}
    told = Tally()
    names: list[str] = []
    used = set()
    for file in place.ending(".json"):
        if "shapes" not in parsed(file).keys:
            continue
        content = _content(file)
        used.add(file)
        image = place.pictures.find(file.stem) or place.pictures.find(
            (content.imagePath or "").replace("\\", "/") or file.stem
        )
        if image is None:
            told.add("left out, as the picture of the LabelMe file is not there", place.below(file))
        elif image in found:
            told.add(f"left out, as {found[image].name} describes the same picture", place.below(file))
        else:
            found[image] = file
            names += sorted(_names(content))
    if not found:
        return None
    classes = ordered_classes(sorted(set(names)), place, place.root)
    return Annotations(
        HOW, classes, [Marked(image, LabelMeDraw(file)) for image, file in found.items()], told, frozenset(used)
    )


def label_of(source: Path, size: tuple[int, int], class_numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
    """The label image of one picture, uint8 [H, W], and what was left out; later shapes cover earlier ones.

    Shapes named ``__ignore__`` become 255, ``_background_`` 0, as LabelMe's own export has it; points and lines have no
    area and are left out.

    Args:
        source: the JSON file.
        size: height and width of the picture.
        class_numbers: class name -> number.

    Raises InputError: the file is no annotation of LabelMe or is for a picture of another size, a name is no class, or
        a shape cannot be drawn.
    """
    content = _content(source)
    stated = _side(content.imageHeight, source), _side(content.imageWidth, source)
    if all(stated) and stated != size:
        raise InputError(
            f"{source} is for a picture of {stated[0]}x{stated[1]} (height x width), but the picture is "
            f"{size[0]}x{size[1]}"
        )
    notes: list[Note] = []
    shapes = []
    for one in content.shapes:
        try:
            shape = _shape(one)
        except (*BROKEN, binascii.Error) as error:
            said = " ".join(str(error).split())
            raise InputError(f"{source}: a shape of {plain(one.label)!r} cannot be drawn: {said}") from error
        if isinstance(shape, Shape):
            shapes.append(shape)
        else:
            notes.append((shape, source.name))
    label, more = draw_shapes(shapes, size, class_numbers, str(source), strict=True)
    return label, notes + more


def names_in(source: Path) -> set[str]:
    """Names of the shapes of one file that are classes.

    Raises InputError: the file is no annotation of LabelMe.
    """
    return _names(_content(source))


def _names(content: _File) -> set[str]:
    return {shape.label for shape in content.shapes if shape.label} - {*BACKGROUND_NAMES, *IGNORE_NAMES}


def _content(source: Path) -> _File:
    return read_json(source, _File, "annotation")


def _shape(one: _Shape) -> Shape | str:
    """A shape, or why it is left out. Raises ValueError: it cannot be drawn."""
    kind, least, most = KINDS.get(one.shape_type or "polygon", (None, 0, 0))
    points = corners(one.points) if one.points else np.zeros((0, 2))
    if not one.label:
        return "left out, as the shape has no name"
    if kind is None or not least <= len(points) <= most:
        return f"left out, as a {plain(one.shape_type or 'polygon')} of {len(points)} points has no area"
    if kind == "mask":
        (left, top), (right, bottom) = np.rint(points.min(0)).astype(int), np.rint(points.max(0)).astype(int)
        mask = _mask(one.mask)
        height, width = bottom - top + 1, right - left + 1
        if len(points) > 1 and max(abs(mask.shape[0] - height), abs(mask.shape[1] - width)) > 1:  # some count otherwise
            raise ValueError(f"its mask is {mask.shape[0]}x{mask.shape[1]}, but its box {height}x{width}")
        return Shape(one.label, "mask", mask=mask, corner=(int(left), int(top)))
    return Shape(one.label, kind, (points,))


def _mask(text: str | None) -> np.ndarray:
    """A shape stored as a small picture, bool [h, w]."""
    if not text:
        raise ValueError("it is a mask without pixels")
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as small:
        if small.width * small.height > LARGEST_MASK:
            raise ValueError(f"its mask is {small.height}x{small.width}")
        return np.asarray(small.convert("L")) > 0


def _side(value: Any, source: Path) -> int:
    """A side as a number, also where it is text; 0: it is not told."""
    if value is None:
        return 0
    try:
        number = float(value)
        if not (number.is_integer() and 0 <= number < 10**9):
            raise ValueError
    except ValueError as error:
        raise InputError(f"{source}: a side of the picture is {shown(value)}; expected pixels") from error
    return int(number)
