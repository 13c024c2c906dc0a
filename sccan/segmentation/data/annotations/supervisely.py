"""Supervisely's projects: ``NAME/img/a.jpg`` with ``NAME/ann/a.jpg.json``, and ``meta.json``."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.structured import Finite, as_kind
from sccan.files.tally import Note, Tally
from sccan.pictures.heads import BROKEN
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, ordered_classes, require_pictures
from sccan.segmentation.data.annotations.contents import parsed
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.shapes import Shape, ShapesDraw, corners

HOW = "Supervisely objects"
LARGEST_BITMAP = 1 << 28
"""Pixels of a bitmap, and bytes of one unpacked."""


class _Size(msgspec.Struct):
    height: int
    width: int


class _Points(msgspec.Struct):
    exterior: list[list[Finite]]
    interior: list[list[list[Finite]]] = []


class _Bitmap(msgspec.Struct):
    data: str
    origin: list[int]


class _Class(msgspec.Struct):
    title: str


class _Meta(msgspec.Struct):
    classes: list[_Class] = []


class _Object(msgspec.Struct):
    classTitle: str  # Supervisely's own names
    geometryType: str = ""
    points: _Points | None = None
    bitmap: _Bitmap | None = None


class _Picture(msgspec.Struct):
    size: _Size
    objects: list[_Object]


def read(place: Place) -> Annotations | None:
    """The annotations of a project, known by their content.

    Raises InputError: a file is unfit, or none of the pictures is there.
    """
    told = Tally()
    marked: dict[Path, Marked] = {}
    names: list[str] = []
    used = set()
    files = [file for file in place.ending(".json") if {"objects", "size"} <= parsed(file).keys]
    for file in files:
        used.add(file)
        image = place.pictures.find(f"{file.parent.parent.name}/img/{file.stem}") or place.pictures.find(file.stem)
        if image is None:
            told.add("left out, as the picture that is described is not there", place.below(file))
            continue
        content: _Picture = as_kind(parsed(file).value, _Picture, f"annotation {file}")
        names += [one.classTitle for one in content.objects]
        marked[image] = Marked(image, _draw(content, file))
    if not used:
        return None
    require_pictures(files[0], [file.stem for file in files], [*marked], place, told)
    meta = place.named("meta.json")
    used |= {meta} if meta is not None else set()
    titles = _titles(meta) if meta is not None else []
    return Annotations(
        HOW, ordered_classes([*titles, *sorted(names)], place, files[0]), [*marked.values()], told, frozenset(used)
    )


def _titles(meta: Path) -> list[str]:
    """The names of a project's classes, in its order."""
    content: _Meta = as_kind(parsed(meta).value, _Meta, f"annotation {meta}")
    return [one.title for one in content.classes]


def _draw(content: _Picture, file: Path) -> ShapesDraw:
    notes: list[Note] = []
    shapes = []
    for one in content.objects:
        try:
            shape = _shape(one)
        except (*BROKEN, zlib.error, binascii.Error) as error:
            said = " ".join(str(error).split())
            raise InputError(f"{file}: an object of {plain(one.classTitle)!r} cannot be drawn: {said}") from error
        if shape is None:
            notes.append((f"left out, as a {plain(one.geometryType or 'object')} has no area", file.name))
        else:
            shapes.append(shape)
            notes += [("boxes taken for masks, filled", file.name)] * (shape.kind == "box")
    return ShapesDraw(file, file.stem, tuple(shapes), (content.size.height, content.size.width), tuple(notes))


def _shape(one: _Object) -> Shape | None:
    """A shape; None: it has no area. Raises ValueError and what decoders raise: it cannot be drawn."""
    if one.bitmap is not None:
        if len(one.bitmap.origin) != 2:
            raise ValueError("its origin is no pair x, y")
        return Shape(
            one.classTitle, "mask", mask=_bitmap(one.bitmap.data), corner=(one.bitmap.origin[0], one.bitmap.origin[1])
        )
    if one.points is None or one.geometryType not in ("polygon", "rectangle", ""):
        return None
    if one.geometryType == "rectangle":
        return Shape(one.classTitle, "box", (corners(one.points.exterior, least=2),))
    holes = tuple(corners(hole, least=3) for hole in one.points.interior)
    return Shape(one.classTitle, "outline", (corners(one.points.exterior, least=3),), holes)


def _bitmap(text: str) -> np.ndarray:
    """A bitmap as it is stored: a PNG, packed by zlib, as base64; its opacity, or its brightness, is the mask."""
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(base64.b64decode(text, validate=True), LARGEST_BITMAP)
    if unpacking.unconsumed_tail:
        raise ValueError("its bitmap unpacks to more than a picture's size")
    with Image.open(io.BytesIO(data)) as small:
        if small.width * small.height > LARGEST_BITMAP:
            raise ValueError(f"its bitmap is {small.height}x{small.width}")
        if small.mode in ("RGBA", "LA", "PA") or "transparency" in small.info:
            return np.asarray(small.convert("RGBA"))[..., 3] > 0
        return np.asarray(small.convert("L")) > 0
