"""The formats that masks are taken along in, each written into a folder of its own.

All are read back by `sccan.segmentation.data.annotations` to the same pixels, as long as the pictures are beside them.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.kinds import BACKGROUND_NAMES
from sccan.files.writing import write_bytes_atomically, write_json, write_text_atomically, written_beside
from sccan.report.coco import CodedPicture, CodedRegion, run_lengths, write_instances
from sccan.segmentation.data.annotations.shapes import IGNORE_NAMES
from sccan.segmentation.data.exports.labelled import (
    PICTURES,
    Labelled,
    plain_names,
    put_picture,
    regions_of,
    stem_of,
)
from sccan.segmentation.data.exports.outlines import polygons_along_cracks, polygons_through_middles
from sccan.segmentation.data.labels.palette import indexed_png

NUDGE = 0.25
"""Of a pixel, added to YOLO's coordinates: rounded or cut off, they are the same pixel."""


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        instances: every connected part is a region of its own, where the format can say so.
        with_pictures: put the pictures into ``images/``, without sub-folders.
    """

    instances: bool = False
    with_pictures: bool = False


PLAIN = Options()
Write = Callable[[Path, Iterable[Labelled], Sequence[str], Options], None]
"""Gets a folder, the pictures, the class names, and what was chosen."""


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: for people.
        write: writes it.
        needs_pictures: whether it is of no use without the pictures beside it.
        reserved: names that are no classes in it.
    """

    title: str
    write: Write
    needs_pictures: bool = False
    reserved: tuple[str, ...] = ()


def write_format(
    folder: Path,
    name: str,
    pictures: Iterable[Labelled],
    class_names: Sequence[str],
    *,
    names: Sequence[str],
    options: Options = PLAIN,
) -> None:
    """Writes a format into a folder, which holds nothing yet.

    Args:
        folder: is made.
        name: key of `FORMATS`.
        pictures: are asked for one after another, so that any number fits into memory.
        class_names: of the values 1, 2, ...
        names: of all pictures.

    Raises InputError: there is no such format, a class name means something else in it, or a file cannot be written.
    """
    kind = check_format(name, class_names)
    if kind.needs_pictures or options.with_pictures:
        options = replace(options, with_pictures=True)
        pictures = _with_pictures(folder / PICTURES, pictures, plain_names(names))
    kind.write(folder, pictures, class_names, options)


def check_format(name: str, class_names: Sequence[str]) -> Format:
    """The format of a name. Raises InputError: there is none, or a class name means something else in it."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    special = next((one for one in class_names if one in FORMATS[name].reserved), None)
    if special is not None:
        raise InputError(f"{FORMATS[name].title} takes {special!r} for something else than a class; rename it first")
    return FORMATS[name]


def _with_pictures(folder: Path, pictures: Iterable[Labelled], names: dict[str, str]) -> Iterator[Labelled]:
    for picture in pictures:
        name = names[picture.name]
        if picture.source is not None:
            put_picture(picture.source, folder / name)
        yield replace(picture, name=name)


def _write_classes(folder: Path, class_names: Sequence[str]) -> None:
    write_text_atomically(folder / "classes.txt", "".join(f"{name}\n" for name in class_names))


def _write_masks(folder: Path, pictures: Iterable[Labelled], class_names: Sequence[str], options: Options) -> None:
    """``masks/NAME.png``: the value of every pixel is its line in ``classes.txt``; 255 is ignored."""
    for picture in pictures:
        write_bytes_atomically(folder / "masks" / f"{stem_of(picture.name)}.png", indexed_png(picture.label))
    _write_classes(folder, class_names)


# COCO


def _coded(picture: Labelled, class_names: Sequence[str], instances: bool, polygons: bool) -> CodedPicture:
    def region(number: int, pixels: np.ndarray, crowd: bool = False) -> CodedRegion:
        outlines = tuple(q.ravel().tolist() for q in polygons_along_cracks(pixels)) if polygons and not crowd else ()
        score = picture.score(number)
        return CodedRegion(class_names[number - 1], run_lengths(pixels), score, polygons=outlines, crowd=crowd)

    found = [region(number, pixels) for number, pixels in regions_of(picture.label, instances=instances)]
    if (ignored := picture.label == IGNORE).any() and class_names:
        found.append(region(1, ignored, crowd=True))
    return CodedPicture(picture.name, (picture.label.shape[0], picture.label.shape[1]), found)


def _write_instances(
    folder: Path, pictures: Iterable[Labelled], class_names: Sequence[str], options: Options, *, polygons: bool
) -> None:
    """``annotations.json`` with run lengths, or with polygons along the cracks between pixels; what is ignored is a
    crowd of the first class."""
    coded = (_coded(picture, class_names, options.instances, polygons) for picture in pictures)
    write_instances(folder / "annotations.json", coded, class_names, INFO)


# LabelMe


def _write_labelme(folder: Path, pictures: Iterable[Labelled], class_names: Sequence[str], options: Options) -> None:
    """``labelme/NAME.json``: polygons; parts of one region share their ``group_id``."""
    for picture in pictures:
        regions = [*regions_of(picture.label, instances=options.instances)]
        shapes = [
            _shape(class_names[number - 1], points, group)
            for group, (number, pixels) in enumerate(regions, 1)
            for points in polygons_through_middles(pixels)
        ]
        shapes += [
            _shape(IGNORE_NAMES[0], points, None) for points in polygons_through_middles(picture.label == IGNORE)
        ]
        path = f"../{PICTURES}/{picture.name}" if options.with_pictures else Path(picture.name).name
        height, width = picture.label.shape
        content: dict[str, Any] = {"version": "5.5.0", "flags": {}, "shapes": shapes}
        content |= {"imagePath": path, "imageData": None}
        content |= {"imageHeight": height, "imageWidth": width}
        write_json(folder / "labelme" / f"{stem_of(picture.name)}.json", content)


def _shape(name: str, points: np.ndarray, group: int | None) -> dict[str, Any]:
    plain = {"label": name, "points": points.astype(float).tolist(), "group_id": group, "description": ""}
    return {**plain, "shape_type": "polygon", "flags": {}, "mask": None}


# YOLO


def _write_yolo(folder: Path, pictures: Iterable[Labelled], class_names: Sequence[str], options: Options) -> None:
    """``labels/NAME.txt``: a line per connected part, corners as shares of width and height; ``data.yaml``."""
    for picture in pictures:
        height, width = picture.label.shape
        lines = []
        for number, pixels in regions_of(picture.label, instances=False):
            for points in polygons_through_middles(pixels):
                shares = (points + NUDGE) / (width, height)
                lines.append(" ".join([str(number - 1), *(f"{share:.7f}" for share in shares.ravel().tolist())]))
        write_text_atomically(
            folder / "labels" / f"{stem_of(picture.name)}.txt", "".join(f"{line}\n" for line in lines)
        )
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(class_names))
    write_text_atomically(folder / "data.yaml", f"path: .\ntrain: {PICTURES}\nval: {PICTURES}\nnames:\n{names}")


# CVAT


def _write_cvat(folder: Path, pictures: Iterable[Labelled], class_names: Sequence[str], options: Options) -> None:
    """``annotations.xml``, CVAT for images 1.1: masks as run lengths within their boxes."""
    with written_beside(folder / "annotations.xml") as beside, beside.open("wb") as file:
        file.write(b"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n")
        for element in itertools.chain(_cvat_head(class_names), _cvat_images(pictures, class_names, options)):
            ElementTree.indent(element, level=1)
            file.write(b"  " + ElementTree.tostring(element, encoding="utf-8") + b"\n")
        file.write(b"</annotations>\n")


def _cvat_head(class_names: Sequence[str]) -> Iterator[ElementTree.Element]:
    version, meta = ElementTree.Element("version"), ElementTree.Element("meta")
    version.text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(meta, "task"), "labels")
    for name in class_names:
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
    yield from (version, meta)


def _cvat_images(
    pictures: Iterable[Labelled], class_names: Sequence[str], options: Options
) -> Iterator[ElementTree.Element]:
    for number, picture in enumerate(pictures):
        height, width = picture.label.shape
        size = {"width": str(width), "height": str(height)}
        image = ElementTree.Element("image", {"id": str(number), "name": picture.name, **size})
        for value, pixels in regions_of(picture.label, instances=options.instances):
            facts = {"label": class_names[value - 1], "source": "manual", "occluded": "0", **_box_code(pixels)}
            ElementTree.SubElement(image, "mask", {**facts, "z_order": "0"})
        yield image


def _box_code(pixels: np.ndarray) -> dict[str, str]:
    """A region as CVAT writes it: its box, and the lengths of runs row by row in it, background first."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    flat = pixels[top:bottom, left:right].ravel()
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
    runs = np.diff([0, *changes.tolist(), len(flat)]).tolist()
    box = {"left": str(left), "top": str(top), "width": str(right - left), "height": str(bottom - top)}
    return {"rle": ", ".join(map(str, runs)), **box}


INFO = {"description": "made by sccan"}
FORMATS = {
    "png": Format("Label PNGs", _write_masks),
    "coco": Format("COCO, run lengths", functools.partial(_write_instances, polygons=False)),
    "coco-polygons": Format("COCO, polygons", functools.partial(_write_instances, polygons=True)),
    "labelme": Format("LabelMe", _write_labelme, reserved=(*BACKGROUND_NAMES, *IGNORE_NAMES)),
    "yolo": Format("YOLO segmentation", _write_yolo, needs_pictures=True),
    "cvat": Format("CVAT for images 1.1", _write_cvat),
    "examples": Format("Examples for sccan segment", _write_masks, needs_pictures=True),
}
"""Name -> format."""
