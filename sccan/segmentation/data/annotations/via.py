"""VGG Image Annotator: its project or annotations as JSON, or its annotations as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.reading import read_text
from sccan.files.structured import as_kind, shown
from sccan.files.tally import Note, Tally
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, ordered_classes, require_pictures
from sccan.segmentation.data.annotations.contents import parsed
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.shapes import Shape, ShapesDraw, corners

HOW = "VIA shapes"
NAMING = ("class", "label", "name", "category", "object", "type")
"""Attributes that name a region's class, where it has several."""
COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


class _Entry(msgspec.Struct):
    """What the file says of a picture; older versions number its regions."""

    filename: str
    regions: dict[str, Any] | list[Any] | None


@dataclass(frozen=True)
class _Region:
    """A region as the file has it."""

    picture: str
    shape: Mapping[str, Any]
    attributes: Mapping[str, Any]


def read(place: Place) -> Annotations | None:
    """The VIA files of a folder, known by their content.

    Raises InputError: a file is unfit, a region's class cannot be told, or none of the pictures is there.
    """
    told = Tally()
    shapes: dict[Path, list[Shape]] = {}
    notes: dict[Path, list[Note]] = {}
    sources: dict[Path, tuple[Path, str]] = {}
    used = set()
    for file in (*place.ending(".json"), *place.ending(".csv")):
        regions = _regions(file)
        if regions is None:
            continue
        used.add(file)
        listed = list(regions)
        for region in listed:
            image = place.pictures.find(region.picture)
            if image is None:
                told.add("left out, as the picture that is described is not there", region.picture)
                continue
            sources[image] = file, region.picture
            own, said = shapes.setdefault(image, []), notes.setdefault(image, [])
            try:
                shape = _shape(region, place.class_name)
            except ValueError as error:
                raise InputError(f"{file}: a region of {plain(region.picture)} cannot be drawn: {error}") from error
            if isinstance(shape, Shape):
                own.append(shape)
                said += [("boxes taken for masks, filled", region.picture)] * (shape.kind == "box")
            else:
                said.append((shape, region.picture))
        require_pictures(file, [region.picture for region in listed], [*shapes], place, told)
    if not used:
        return None
    names = sorted({shape.name for own in shapes.values() for shape in own})
    marked = [
        Marked(image, ShapesDraw(*sources[image], tuple(own), notes=tuple(notes[image])))
        for image, own in shapes.items()
    ]
    return Annotations(HOW, ordered_classes(names, place, next(iter(used))), marked, told, frozenset(used))


def _regions(file: Path) -> Iterator[_Region] | None:
    """The regions of a file; None: it is not VIA's."""
    if file.suffix.lower() == ".csv":
        return _of_csv(file)
    content = parsed(file)
    entries = content.value.get("_via_img_metadata") if "_via_img_metadata" in content.keys else content.value
    if not isinstance(entries, dict) or not entries or not all(map(_is_entry, entries.values())):
        return None
    return _of_json(entries, file)


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("filename"), str) and "regions" in value


def _of_json(entries: Mapping[str, Any], file: Path) -> Iterator[_Region]:
    for value in entries.values():
        entry: _Entry = as_kind(value, _Entry, f"{file}, {plain(value['filename'])}")
        for region in entry.regions.values() if isinstance(entry.regions, dict) else entry.regions or ():
            yield _region(entry.filename, region, file)


def _of_csv(file: Path) -> Iterator[_Region] | None:
    try:
        rows = list(csv.reader(read_text(file, "annotation").splitlines()))
    except csv.Error as error:
        raise InputError(f"annotation {file} cannot be read as CSV: {error}") from error
    header = [cell.lstrip("#").strip() for cell in rows[0]] if rows else []
    if not set(COLUMNS) <= set(header):
        return None
    places = [header.index(name) for name in COLUMNS]
    return (_row([row[place] if place < len(row) else "" for place in places], file) for row in rows[1:] if any(row))


def _row(cells: list[str], file: Path) -> _Region:
    try:
        shape, attributes = (json.loads(cell or "{}") for cell in cells[1:])
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: a region of {plain(cells[0])} holds no JSON: {error}") from error
    return _region(cells[0], {"shape_attributes": shape, "region_attributes": attributes}, file)


def _region(picture: str, region: Any, file: Path) -> _Region:
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict) or not isinstance(attributes, dict | None):
        raise InputError(f"{file}: a region of {plain(picture)} is {shown(region)}; expected VIA's shape_attributes")
    return _Region(picture, shape, attributes or {})


def _shape(region: _Region, class_name: str) -> Shape | str:
    """A shape, or why it is left out. Raises ValueError: it cannot be drawn."""
    kind, facts = region.shape.get("name"), region.shape
    if kind in ("polygon", "rect", "circle", "ellipse"):
        name = _class_of(region, class_name)
        if not name:
            return "left out, as the region has no name"
    if kind == "polygon":
        across, down = facts.get("all_points_x"), facts.get("all_points_y")
        if not isinstance(across, list) or not isinstance(down, list) or len(across) != len(down):
            raise ValueError("it has not as many x as y")
        return Shape(name, "area", (corners(list(zip(across, down, strict=True)), least=3),))
    if kind == "rect":
        left, top, width, height = _numbers(facts, "x", "y", "width", "height")
        if min(width, height) <= 0:
            return "left out, as a box has no area"
        return Shape(name, "box", (corners([[left, top], [left + width - 1, top + height - 1]]),))
    if kind == "circle":
        x, y, radius = _numbers(facts, "cx", "cy", "r")
        return Shape(name, "ellipse", (corners([[x, y], [radius, radius], [0, 0]]),))
    if kind == "ellipse":
        x, y, across, down = _numbers(facts, "cx", "cy", "rx", "ry")
        return Shape(
            name, "ellipse", (corners([[x, y], [across, down], [np.degrees(float(facts.get("theta") or 0)), 0]]),)
        )
    return f"left out, as a {shown(kind)} has no area" if kind else "left out, as nothing is marked"


def _numbers(facts: Mapping[str, Any], *keys: str) -> list[float]:
    values = [facts.get(key) for key in keys]
    if not all(isinstance(value, int | float) and abs(value) < 1e9 for value in values):
        raise ValueError(f"expected numbers {', '.join(keys)}, found {shown(values)}")
    return [float(value) for value in values if value is not None]


def _class_of(region: _Region, class_name: str) -> str:
    """The class that a region's attributes name. Raises ValueError: several might."""
    named = {key: _chosen(value) for key, value in region.attributes.items() if _chosen(value)}
    if not region.attributes:
        return class_name
    if len(named) == 1:
        return next(iter(named.values()))
    known = [named[key] for key in named if key.lower() in NAMING]
    if len(known) == 1:
        return known[0]
    if not named:
        return ""
    raise ValueError(
        f"its attributes are {', '.join(map(plain, named))}, and none of them alone is its class; keep one"
    )


def _chosen(value: Any) -> str:
    """The text of an attribute, or the only box that is ticked."""
    if isinstance(value, dict):
        ticked = [key for key, on in value.items() if on]
        return ticked[0] if len(ticked) == 1 else ""
    return str(value).strip() if isinstance(value, str | int | float) else ""
