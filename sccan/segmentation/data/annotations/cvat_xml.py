"""CVAT's "CVAT for images 1.1": one XML file with polygons, masks, boxes and ellipses of all pictures.

Document types and entities are refused: a few lines of them could become gigabytes, or read other files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.reading import read_bytes
from sccan.files.structured import shown
from sccan.files.tally import Note, Tally
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, ordered_classes, require_pictures
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.run_lengths import runs_to_region
from sccan.segmentation.data.annotations.shapes import Shape, ShapesDraw, corners

HOW = "CVAT shapes"
WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")


def read(place: Place) -> Annotations | None:
    """The CVAT files of a folder, known by their content.

    Raises InputError: a file is unfit, or none of its pictures is there.
    """
    told = Tally()
    marked: dict[Path, Marked] = {}
    names: list[str] = []
    used = set()
    for file in place.ending(".xml"):
        root = _root(file)
        if root is None:
            continue
        used.add(file)
        names += [label.findtext("name") or "" for label in root.iter("label")]
        described = [image.get("name") or "" for image in root.iter("image") if len(image)]
        if root.find("track") is not None:
            raise InputError(f"{file} holds tracks of a video; export it as CVAT for images 1.1")
        for image in root.iter("image"):
            if not len(image):
                continue
            stated = image.get("name") or ""
            found = place.pictures.find(stated)
            if found is None:
                told.add("left out, as the picture that is described is not there", stated)
                continue
            draw = _draw(image, file, stated)
            names += [shape.name for shape in draw.shapes]
            if found in marked:
                raise InputError(f"{file} describes {plain(stated)} twice, or another file does; keep one")
            marked[found] = Marked(found, draw)
        require_pictures(file, described, [*marked], place, told)
    if not used:
        return None
    classes = ordered_classes([name for name in names if name], place, place.root)
    return Annotations(HOW, classes, [*marked.values()], told, frozenset(used))


def _root(file: Path) -> Element | None:
    """The outermost element of a file of CVAT's; None: the file is of somebody else.

    Raises InputError: it is no XML, or has a document type.
    """
    content = read_bytes(file, "annotation", "XML_MB")
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(
            f"annotation {file} has a document type or entities, which are not read; remove them"
        ) from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise InputError(f"annotation {file} is no XML: {' '.join(str(error).split())}; export it again") from error
    return root if root.tag == "annotations" else None


def _draw(image: Element, file: Path, stated: str) -> ShapesDraw:
    """The shapes of one picture, from the bottom up."""
    notes: list[Note] = []
    shapes = []
    for element in sorted(image, key=lambda one: _number(one, "z_order", file, 0)):
        name = element.get("label") or ""
        where = f"{file}: a {element.tag} of {plain(name)!r} in {plain(stated)}"
        if element.tag in WITHOUT_AREA:
            notes.append((f"left out, as a {element.tag} has no area", stated))
        elif not name:
            notes.append(("left out, as the shape has no name", stated))
        else:
            try:
                shape = _shape(element, name, file)
            except ValueError as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{where} cannot be drawn: {error}") from error
            if shape is None:
                notes.append((f"left out, as {plain(element.tag)} is no shape that is known", stated))
            else:
                shapes.append(shape)
                notes += [("boxes taken for masks, filled", stated)] * (element.tag == "box")
    size = _number(image, "height", file, 0), _number(image, "width", file, 0)
    return ShapesDraw(file, stated, tuple(shapes), (int(size[0]), int(size[1])), tuple(notes))


def _shape(element: Element, name: str, file: Path) -> Shape | None:
    """Raises ValueError: it cannot be drawn."""
    if element.tag == "polygon":
        points = [pair.split(",") for pair in (element.get("points") or "").split(";") if pair.strip()]
        return Shape(name, "area", (corners(points, least=3),))
    if element.tag == "box":
        left, top, right, bottom = (_number(element, key, file) for key in ("xtl", "ytl", "xbr", "ybr"))
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        return Shape(name, "area", (corners(_turned(box, _number(element, "rotation", file, 0))),))
    if element.tag == "ellipse":
        middle = [_number(element, "cx", file), _number(element, "cy", file)]
        radii = [_number(element, "rx", file), _number(element, "ry", file)]
        return Shape(name, "ellipse", (corners([middle, radii, [_number(element, "rotation", file, 0), 0]]),))
    if element.tag == "mask":
        left, top, width, height = (int(_number(element, key, file)) for key in ("left", "top", "width", "height"))
        if min(width, height) < 1 or width * height > 1 << 30:
            raise ValueError(f"its mask is {height}x{width}")
        runs = [int(run) if run.strip().isdigit() else -1 for run in (element.get("rle") or "").split(",")]
        return Shape(name, "mask", mask=runs_to_region(runs, (height, width), by_columns=False), corner=(left, top))
    return None


def _turned(box: np.ndarray, degrees: float) -> np.ndarray:
    """Corners turned clockwise around their middle."""
    turn, middle = np.radians(degrees), box.mean(0)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned: np.ndarray = (box - middle) @ rotation + middle if degrees else box
    return turned


def _number(element: Element, key: str, file: Path, default: Any = None) -> float:
    text = element.get(key)
    if text is None and default is not None:
        return float(default)
    try:
        number = float(text or "")
    except ValueError as error:
        raise InputError(f"{file}: {key} of a {plain(element.tag)} is {shown(text)}; expected a number") from error
    if not np.isfinite(number) or abs(number) > 1e9:
        raise InputError(f"{file}: {key} of a {plain(element.tag)} is {shown(text)}; expected pixels")
    return number
