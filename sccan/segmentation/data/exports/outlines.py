"""Regions as polygons that fill to exactly the same pixels, in the two ways in which tools fill them.

COCO's rasteriser takes corners of pixels: a polygon along the cracks between pixels gives its pixels back. OpenCV's and
Pillow's, which LabelMe and YOLO's trainers use, take middles of pixels and fill the border too: a polygon through the
middles of the border pixels gives them back. A hole is joined to the outline by a cut that is walked both ways, so that
one polygon holds one part, with all its holes.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import cv2
import numpy as np

Point = tuple[int, int]
"""Column and row."""
RIGHT, DOWN, LEFT, UP = range(4)
STEPS: tuple[Point, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))


def parts_of(region: np.ndarray) -> Iterator[np.ndarray]:
    """The connected parts of a region (pixels that touch at a corner belong together), bool [h, w] each."""
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    for part in range(1, count):
        yield parts == part


def polygons_through_middles(region: np.ndarray) -> list[np.ndarray]:
    """One polygon per part, int [corners, 2] as column and row of pixels; for `cv2.fillPoly` and its like.

    Args:
        region: bool [h, w].
    """
    contours, tree = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return []
    loops = [[(int(x), int(y)) for x, y in contour[:, 0]] for contour in contours]
    parents = tree[0][:, 3].tolist()
    outer = [number for number, parent in enumerate(parents) if parent < 0]
    holes: dict[int, list[list[Point]]] = {number: [] for number in outer}
    for number, parent in enumerate(parents):
        if parent >= 0:
            holes[parent].append(loops[number])
    return [_corners(_joined(loops[number], holes[number])) for number in outer]


def polygons_along_cracks(region: np.ndarray) -> list[np.ndarray]:
    """One polygon per part, int [corners, 2] as column and row of corners of pixels; for COCO's rasteriser.

    Pixels that touch at a corner alone are parts of their own here. Pixel (x, y) goes from (x, y) to (x + 1, y + 1).

    Args:
        region: bool [h, w].
    """
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    polygons = []
    for part in range(1, count):
        left, top, width, height = statistics[part, :4].tolist()
        outer, holes = _cracks(parts[top : top + height, left : left + width] == part)
        polygons.append(_corners(_joined(outer, holes)) + np.array([left, top]))
    return polygons


def _cracks(part: np.ndarray) -> tuple[list[Point], list[list[Point]]]:
    """The outline and the holes of a 4-connected part, walked with the part at the right hand, corner by corner."""
    padded = np.pad(part, 1)
    inside, outside = padded[1:-1, 1:-1], ~padded
    edges: dict[Point, dict[int, Point]] = {}
    # A pixel's upper side is walked to the right, its right side downwards, and so on.
    for side, neighbour, start in (
        (RIGHT, outside[:-2, 1:-1], (0, 0)),
        (DOWN, outside[1:-1, 2:], (1, 0)),
        (LEFT, outside[2:, 1:-1], (1, 1)),
        (UP, outside[1:-1, :-2], (0, 1)),
    ):
        rows, columns = np.nonzero(inside & neighbour)
        for x, y in zip((columns + start[0]).tolist(), (rows + start[1]).tolist(), strict=True):
            edges.setdefault((x, y), {})[side] = (x + STEPS[side][0], y + STEPS[side][1])
    loops = []
    for start in sorted(edges, key=lambda point: (point[1], point[0])):
        while start in edges:
            loops.append(_walked(edges, start))
    return loops[0], loops[1:]  # the first starts at the topmost crack, which is the outline's


def _walked(edges: dict[Point, dict[int, Point]], start: Point) -> list[Point]:
    """One closed walk, whose edges are taken out."""
    loop, at, side = [], start, min(edges[start])
    while True:
        loop.append(at)
        ways = edges[at]
        # Where two pixels touch at a corner, the sharpest turn to the right stays with the same pixel.
        side = next(way for way in ((side + 1) % 4, side, (side - 1) % 4, (side + 2) % 4) if way in ways)
        target = ways.pop(side)
        if not ways:
            del edges[at]
        at = target
        if at == start:
            return loop


def _joined(outer: list[Point], holes: list[list[Point]]) -> list[Point]:
    """One closed walk over an outline and its holes.

    From its leftmost point every hole is joined straight to the left, where the outline or a hole further left passes.
    """
    points, after = list(outer), [*range(1, len(outer)), 0]
    in_row: dict[int, list[Point]] = {}  # column and place of the points of a row, sorted
    for place, (x, y) in enumerate(points):
        bisect.insort(in_row.setdefault(y, []), (x, place))
    for hole in sorted(holes, key=min):
        start = min(range(len(hole)), key=hole.__getitem__)
        x, y = hole[start]
        _, joint = in_row[y][bisect.bisect_right(in_row[y], (x, len(points))) - 1]
        first = len(points)
        points += hole[start:] + hole[: start + 1] + [points[joint]]
        for place in range(first, len(points)):
            bisect.insort(in_row.setdefault(points[place][1], []), (points[place][0], place))
            after.append(place + 1)
        after[-1], after[joint] = after[joint], first
    walk, place = [], 0
    while True:
        walk.append(points[place])
        if (place := after[place]) == 0:
            return walk


def _corners(walk: list[Point]) -> np.ndarray:
    """A closed walk without points in the middle of a straight line, int64 [corners, 2]; three corners at least."""
    points = np.array(walk, np.int64)
    if len(points) < 3:
        return points[[0, -1, 0]]  # a single pixel, or two
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    straight = (before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]) & ((before * after).sum(1) > 0)
    return points[~straight] if (~straight).sum() > 2 else points[[0, len(points) // 2, 0]]
