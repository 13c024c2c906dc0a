"""Shapes that people draw around objects, as pixels: polygons, boxes, circles, ellipses and small masks at a place.

Coordinates are checked before anything draws them: finite pairs, and not further away than a picture could be. What
reaches over the edge of the picture is clipped there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from sccan.episodes.index import IGNORE
from sccan.errors import InputError, nearest
from sccan.files.kinds import BACKGROUND_NAMES
from sccan.files.plain import plain
from sccan.files.tally import Note

FARTHEST = 1e9
"""Pixels from the picture that a corner may lie away; clipped all the same."""
OUTSIDE = 1.0
"""Pixels over the edge from which on clipping is said."""
SHARES = "all numbers from 0 to 1, taken for pixels; if they are shares of the picture, export it in pixels"
IGNORE_NAMES = ("__ignore__", "ignore")
ELLIPSE_CORNERS = 72

Kind = Literal["outline", "area", "box", "circle", "ellipse", "mask"]


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape.

    Attributes:
        name: of its class.
        kind: ``outline``: polygons whose contour is part of them; ``area``: polygons between pixels, as COCO has them;
            ``box``: two or four corners, contour included; ``circle``: middle and a point of its edge; ``ellipse``:
            middle (x, y), radii, angle in degrees; ``mask``: pixels.
        rings: polygons, [corners, 2] each; for other kinds the first holds the numbers.
        holes: polygons that are cut out.
        mask: bool [h, w], for ``mask``.
        corner: x and y of the mask's upper left pixel.
    """

    name: str
    kind: Kind
    rings: tuple[np.ndarray, ...] = ()
    holes: tuple[np.ndarray, ...] = ()
    mask: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)


def draw_shapes(
    shapes: Sequence[Shape], size: tuple[int, int], numbers: Mapping[str, int], source: str, *, strict: bool = False
) -> tuple[np.ndarray, list[Note]]:
    """A label image, uint8 [h, w]; later shapes cover earlier ones. Names such as ``__ignore__`` become 255.

    Args:
        numbers: class name -> number.
        source: the file, for messages.
        strict: refuse names that are no class; else they are background.

    Raises InputError: a shape cannot be drawn, or see `strict`.
    """
    label = np.zeros(size, np.uint8)
    notes: list[Note] = []
    for shape in shapes:
        try:
            region = region_of_shape(shape, size)
        except ValueError as error:
            raise InputError(f"{source}: a shape of {plain(shape.name)!r} cannot be drawn: {error}") from error
        number = _number(shape.name, numbers, source, strict)
        if number is None:
            notes.append(("left out, as classes.txt does not name their class", shape.name))
            continue
        label[region] = number
        file = source.rpartition("/")[2]
        if not region.any():
            notes.append(("without a pixel", file))
        if shape.kind in ("outline", "area", "box") and any(map(seems_shares, shape.rings)):
            notes.append((SHARES, file))
        if reaches_over(shape, size):
            notes.append(("clipped at the edge of the picture", file))
    return label, notes


@dataclass(frozen=True, eq=False)
class ShapesDraw:
    """Draws shapes that have been read, see `sccan.segmentation.data.annotations.annotated.Draw`.

    Attributes:
        source: the file that they are from.
        picture: what the file calls the picture.
        shapes: in the order in which they cover each other.
        stated: height and width that the file says; 0: it says nothing.
        notes: what was left out when they were read.
    """

    source: Path
    picture: str
    shapes: tuple[Shape, ...]
    stated: tuple[int, int] = (0, 0)
    notes: tuple[Note, ...] = ()

    def __call__(self, size: tuple[int, int], numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
        if all(self.stated) and self.stated != size:
            raise InputError(
                f"{self.source} says that {plain(self.picture)} is {self.stated[0]}x{self.stated[1]} (height x "
                f"width), but "
                f"the picture is {size[0]}x{size[1]}; use the picture that was annotated"
            )
        label, notes = draw_shapes(self.shapes, size, numbers, str(self.source))
        return label, [*self.notes, *notes]


def region_of_shape(shape: Shape, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a shape, bool [h, w]. Raises ValueError: it cannot be drawn."""
    if shape.kind == "mask":
        return _placed(shape, size)
    region = _DRAWN[shape.kind](shape.rings, size)
    for hole in shape.holes:
        region &= ~_DRAWN[shape.kind]((hole,), size)
    return region


def corners(points: Any, *, least: int = 1) -> np.ndarray:
    """Corners as float64 [n, 2].

    Raises ValueError: they are no finite pairs of numbers, too few, or too far away.
    """
    try:
        found = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("its points are no pairs of numbers") from error
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"its points are no pairs x, y (a list of shape {list(found.shape)})")
    if not np.isfinite(found).all():
        raise ValueError("a coordinate is no finite number")
    if np.abs(found).max(initial=0) > FARTHEST:
        raise ValueError(f"a coordinate lies {np.abs(found).max():.3g} pixels away")
    if len(found) < least:
        raise ValueError(f"it has {len(found)} points, which have no area")
    return found


def flat_corners(coordinates: Any) -> np.ndarray:
    """Corners of a flat list x, y, x, y ... as float64 [n, 2]. Raises ValueError: see `corners`."""
    try:
        found = np.array(coordinates)
    except ValueError as error:  # lists of several lengths
        raise ValueError("a polygon is no list of numbers") from error
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iuf"):
        raise ValueError("a polygon is no list of numbers")
    if found.size % 2 or not found.size:
        raise ValueError(f"a polygon has {found.size} coordinates; expected pairs x, y")
    return corners(found.reshape(-1, 2))


def clipped(polygon: np.ndarray, size: tuple[int, int], margin: float = 2.0) -> np.ndarray:
    """A polygon [n, 2] without what lies further outside of a picture than a margin (Sutherland and Hodgman's way).

    What lies within the picture is the same; a polygon far outside becomes one of no corners.
    """
    height, width = size
    for axis, bound, keep_below in (
        (0, -margin, False),
        (0, width + margin, True),
        (1, -margin, False),
        (1, height + margin, True),
    ):
        if not len(polygon):
            break
        values = polygon[:, axis]
        inside = values <= bound if keep_below else values >= bound
        if inside.all():
            continue
        kept = []
        for place in range(len(polygon)):
            before, now = polygon[place - 1], polygon[place]
            if inside[place] != inside[place - 1]:
                share = (bound - before[axis]) / (now[axis] - before[axis])
                kept.append(before + share * (now - before))
                kept[-1][axis] = bound
            if inside[place]:
                kept.append(now)
        polygon = np.array(kept).reshape(-1, 2)
    return polygon


def coco_area(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The pixels of polygons by COCO's rasteriser, which cuts through pixels, bool [h, w]."""
    height, width = size
    near = [clipped(polygon, size, max(size) + 2.0) for polygon in polygons]
    flat = [polygon.ravel().tolist() for polygon in near if len(polygon) > 2]
    if not flat:
        return np.zeros(size, dtype=bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, height, width))).astype(bool)


def reaches_over(shape: Shape, size: tuple[int, int]) -> bool:
    """Whether a polygon or box lies more than a little over the edge of its picture."""
    if shape.kind not in ("outline", "area", "box"):
        return False
    return any(lies_over(ring, size) for ring in shape.rings)


def lies_over(polygon: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether corners lie more than a little over the edge of a picture."""
    low, high = polygon.min(0, initial=0), polygon.max(0, initial=0)
    return bool((low < -OUTSIDE).any() or high[0] > size[1] + OUTSIDE or high[1] > size[0] + OUTSIDE)


def seems_shares(polygon: np.ndarray) -> bool:
    """Whether a polygon lies within the first pixel of its picture, as one does whose numbers are shares of it."""
    return len(polygon) > 1 and bool(polygon.min() >= 0 and 0 < polygon.max() <= 1)


def _outline(rings: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(size, np.uint8)
    for ring in rings:
        near = clipped(ring, size, max(size) + 2.0)
        if len(near):
            cv2.fillPoly(canvas, [np.rint(near).astype(np.int32)], 1)
    return canvas.astype(bool)


def _box(rings: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    region = np.zeros(size, bool)
    (left, top), (right, bottom) = np.rint(rings[0].min(0)).astype(int), np.rint(rings[0].max(0)).astype(int)
    region[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)] = True
    return region


def _circle(rings: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    middle, edge = rings[0]
    radius = float(np.hypot(*(edge - middle)))
    if max(radius, *np.abs(middle)) > 4 * max(size) + 1000:
        raise ValueError("it lies far outside of the picture")
    canvas = np.zeros(size, np.uint8)
    cv2.circle(canvas, (round(middle[0]), round(middle[1])), round(radius), 1, thickness=cv2.FILLED)
    return canvas.astype(bool)


def _ellipse(rings: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    (x, y), (across, down), (angle, _) = rings[0]
    turn = math.radians(angle)
    steps = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    along, aside = across * np.cos(steps), down * np.sin(steps)
    edge = np.stack(
        [x + along * math.cos(turn) - aside * math.sin(turn), y + along * math.sin(turn) + aside * math.cos(turn)]
    )
    return coco_area([edge.T], size)


_DRAWN: Mapping[Kind, Callable[[Sequence[np.ndarray], tuple[int, int]], np.ndarray]] = {
    "outline": _outline,
    "area": coco_area,
    "box": _box,
    "circle": _circle,
    "ellipse": _ellipse,
}


def _placed(shape: Shape, size: tuple[int, int]) -> np.ndarray:
    assert shape.mask is not None
    (left, top), (height, width) = shape.corner, shape.mask.shape
    if min(left, top) < 0 or top + height > size[0] or left + width > size[1]:
        raise ValueError("its mask reaches over the edge of the picture")
    region = np.zeros(size, bool)
    region[top : top + height, left : left + width] = shape.mask
    return region


def _number(name: str, numbers: Mapping[str, int], source: str, strict: bool) -> int | None:
    if name in numbers:
        return numbers[name]
    if name in IGNORE_NAMES:
        return IGNORE
    if name in BACKGROUND_NAMES:
        return 0
    if strict:
        raise InputError(
            f"{source} names {plain(name)!r}, which is not among the {len(numbers)} classes{nearest(name, numbers)}"
        )
    return None
