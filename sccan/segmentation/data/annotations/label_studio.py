"""Label Studio: brush masks as PNG (``task-7-annotation-3-by-1-tag-dog-0.png``), and its tasks as JSON.

Brush masks name a task and no picture; which picture a task is stands in the tasks' JSON, or follows from the only
picture, from one called after the task (``task-7.jpg``, ``7.jpg``), or from the only one of the mask's size. Its
export to COCO is read as every other (`coco_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sccan.errors import InputError
from sccan.files.kinds import is_picture
from sccan.files.plain import plain
from sccan.files.structured import shown
from sccan.files.tally import Note, Tally
from sccan.pictures.decoding import image_size
from sccan.pictures.masks import read_mask
from sccan.segmentation.data.annotations.annotated import Annotations, Draw, Marked, Numbers, ordered_classes
from sccan.segmentation.data.annotations.contents import parsed
from sccan.segmentation.data.annotations.mask_pngs import require_size
from sccan.segmentation.data.annotations.places import BRUSH, Place
from sccan.segmentation.data.annotations.shapes import Shape, ShapesDraw, corners

HOW = "Label Studio regions"
SHORTENED = "left out, as JSON-MIN does not say enough of their regions; export as JSON"
PREDICTED = "left out, as they have predictions that nobody has accepted; submit them in Label Studio, and export again"
MIDDLE = 128
"""Of a mask's opacity: from here on a pixel is marked."""


@dataclass(frozen=True)
class BrushDraw:
    """Draws the brush masks of one picture over each other, see `Draw`.

    Attributes:
        masks: file and class name, from the bottom up.
    """

    masks: tuple[tuple[Path, str], ...]

    def __call__(self, size: tuple[int, int], numbers: Numbers) -> tuple[np.ndarray, list[Note]]:
        label = np.zeros(size, np.uint8)
        for file, name in self.masks:
            values = read_mask(file).values
            require_size(values, file, size)
            label[values >= MIDDLE] = numbers.get(name, 0)
        return label, []


def read(place: Place) -> Annotations | None:
    """The brush masks and the tasks of a folder.

    Raises InputError: a file is unfit, or it cannot be told which picture a task is.
    """
    told = Tally()
    tables = [file for file in place.ending(".json") if _is_tasks(parsed(file).value)]
    tasks = [task for file in tables for task in parsed(file).value]
    brushed = _brushed(place, tasks, told)
    drawn = _drawn(place, tasks, tables[0], told) if tables else {}
    if not brushed and not drawn:
        return Annotations(HOW, place.class_names, [], told, frozenset(tables)) if told else None
    told.extend(
        ("described by brush masks and by regions; the masks were taken", place.below(one))
        for one in brushed
        if one in drawn
    )
    names = sorted({name for draw in brushed.values() for _, name in draw.masks})
    names += sorted({shape.name for image, draw in drawn.items() if image not in brushed for shape in draw.shapes})
    source = tables[0] if tables else place.root
    draws: dict[Path, Draw] = {**drawn, **brushed}
    marked = [Marked(image, draw) for image, draw in draws.items()]
    used = frozenset(tables) | frozenset(file for draw in brushed.values() for file, _ in draw.masks)
    return Annotations(HOW, ordered_classes(names, place, source), marked, told, used)


# Brush masks


def _brushed(place: Place, tasks: list[dict[str, Any]], told: Tally) -> dict[Path, BrushDraw]:
    masks: dict[int, dict[int, list[tuple[Path, str]]]] = {}
    for file in place.files:
        match = BRUSH.fullmatch(file.name)
        if match is not None:
            masks.setdefault(int(match[1]), {}).setdefault(int(match[2]), []).append((file, match[3]))
    found: dict[Path, BrushDraw] = {}
    for task, by_annotation in sorted(masks.items()):
        latest = max(by_annotation)
        told.extend(("passed over, as a later annotation of the task is there", place.below(file))
                    for number, one in by_annotation.items() if number != latest for file, _ in one)  # fmt: skip
        own = sorted(by_annotation[latest])
        image = _picture_of(task, tasks, place, own[0][0], len(masks))
        if image in found:
            raise InputError(f"the masks of two tasks ({task} and another) are of {image}; keep one")
        found[image] = BrushDraw(tuple(own))
    return found


def _picture_of(task: int, tasks: list[dict[str, Any]], place: Place, mask: Path, n_tasks: int) -> Path:
    stated = next((_stated(one) for one in tasks if one.get("id") == task), "")
    image = place.pictures.find(stated) if stated else None
    for name in (f"task-{task}", f"task_{task}", str(task)):
        image = image or place.pictures.find(name)
    if image is None and n_tasks == 1 and len(place.pictures.files) == 1:
        image = place.pictures.files[0]
    if image is None:
        size = read_mask(mask).values.shape
        fitting = [file for file in place.pictures.files if image_size(file) == size]
        image = fitting[0] if len(fitting) == 1 else None
    if image is None:
        raise InputError(
            f"{mask.name} is a mask of Label Studio's task {task}, which does not say which picture that is; put "
            f"the tasks' "
            f"JSON export beside it, or call the picture task-{task}.jpg"
        )
    return image


# Tasks


def _is_tasks(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "id" in one and _stated(one) for one in value)
    )


def _stated(task: Mapping[str, Any]) -> str:
    """What a task calls its picture: the first text that ends like one."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    texts = (value for value in data.values() if isinstance(value, str)) if isinstance(data, dict) else ()
    return next((text for text in texts if is_picture(PurePosixPath(text.partition("?")[0]))), "")


def _is_shortened(task: Mapping[str, Any]) -> bool:
    """Whether it is a task of JSON-MIN, whose regions do not say of which kind they are."""
    regions = (one for value in task.values() if isinstance(value, list) for one in value if isinstance(one, dict))
    return any("original_width" in one for one in regions)


def _drawn(place: Place, tasks: list[dict[str, Any]], source: Path, told: Tally) -> dict[Path, ShapesDraw]:
    """Polygons, boxes and ellipses of the tasks' last annotations."""
    found: dict[Path, ShapesDraw] = {}
    for task in tasks:
        annotations = task.get("annotations") or task.get("completions")
        made = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
        kept = [one for one in made if one.get("was_cancelled") is not True]
        results = kept[-1].get("result") if kept else None
        image = place.pictures.find(_stated(task))
        if made and not kept:
            told.add("passed over, as its annotation was cancelled", _stated(task))
        if not isinstance(results, list) or not results:
            if task.get("predictions"):
                told.add(PREDICTED, _stated(task))
            elif _is_shortened(task):
                told.add(SHORTENED, _stated(task))
            continue
        if image is None:
            told.add("left out, as the picture that is described is not there", _stated(task))
            continue
        shapes: list[Shape] = []
        sizes: set[tuple[int, int]] = set()
        for result in results:
            try:
                shape = _shape(result)
                if isinstance(shape, Shape):
                    sizes.add((round(float(result["original_height"])), round(float(result["original_width"]))))
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else error
                raise InputError(f"{source}: a region of task {shown(task['id'])} cannot be drawn: {reason}") from error
            if isinstance(shape, Shape):
                shapes.append(shape)
            else:
                told.add(shape, f"task {shown(task['id'])}")
        if len(sizes) > 1:
            named = " and ".join(f"{height}x{width}" for height, width in sorted(sizes))
            raise InputError(
                f"{source}: regions of task {shown(task['id'])} are for pictures of {named}; export it again"
            )
        if shapes:
            found[image] = ShapesDraw(source, image.name, tuple(shapes), sizes.pop())
    return found


def _shape(result: Any) -> Shape | str:
    """A shape, or why it is left out. Raises ValueError and its like: it cannot be drawn."""
    if not isinstance(result, dict):
        raise ValueError(f"it is {shown(result)}; expected an object")
    kind, value = result.get("type"), result.get("value")
    if not isinstance(value, dict):
        return f"left out, as {plain(str(kind))} has no area or no label"
    labels = value.get(str(kind))
    if labels and not (isinstance(labels, list) and all(isinstance(one, str) for one in labels)):
        raise ValueError(f"its labels are {shown(labels)}; expected a list of texts")
    name = labels[0] if labels else ""
    if kind == "brushlabels":
        return "left out, as brush strokes are read from PNG alone; export brush labels to PNG"
    if kind not in ("polygonlabels", "rectanglelabels", "ellipselabels") or not name:
        return f"left out, as {plain(str(kind))} has no area or no label"
    size = np.array([float(result["original_width"]), float(result["original_height"])]) / 100
    if not (np.isfinite(size) & (size > 0)).all():
        raise ValueError(f"its picture is {shown(result['original_height'])}x{shown(result['original_width'])}")
    if kind == "polygonlabels":
        return Shape(name, "area", (corners(corners(value["points"], least=3) * size),))
    if kind == "ellipselabels":
        middle, radii = corners([[value["x"], value["y"]], [value["radiusX"], value["radiusY"]]]) * size
        return Shape(name, "ellipse", (corners([middle, radii, [float(value.get("rotation") or 0), 0]]),))
    start, extent = corners([[value["x"], value["y"]], [value["width"], value["height"]]]) * size
    turn = np.radians(float(value.get("rotation") or 0))
    axes = extent[:, None] * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Shape(name, "area", (corners([start, start + axes[0], start + axes[0] + axes[1], start + axes[1]]),))
