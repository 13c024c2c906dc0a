"""The rooms of the package: which stands above which, and a picture of them, drawn from the imports themselves.

Called by mkdocs, which puts the picture where a page says `<!-- rooms -->`. `tests/test_floors.py` holds the floors.
"""

from __future__ import annotations

import ast
import functools
import html
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent / "sccan"
DIRECTIVE = "<!-- rooms -->"
OWN = ""
"""Stands for the files that lie in a folder itself, beside its rooms."""
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "": (
        ("commands",),
        ("benchmark",),
        ("page",),
        ("reference", "predict", "graphs"),
        ("builders",),
        ("segmentation", "engine", "classification"),
        ("method",),
        ("report", "attention", "backbones", "episodes", "settings"),
        ("pictures",),
        ("files", "pointwise"),
        ("errors", "faults"),
    ),
    "reference": (("systems",), (OWN,)),
    "builders": (("released",), ("segmentation", "classification"), (OWN,)),
    "segmentation": (("finding",), ("evaluation",), ("methods", "data"), ("parts",)),
    "segmentation.data": (
        (OWN,),
        ("prepare", "sampling", "exports"),
        ("annotations", "transforms"),
        ("sets", "labels", "shapes"),
    ),
    "classification": ((OWN, "evaluation"), ("methods", "data"), ("parts", "words")),
    "classification.data": ((OWN,), ("formats",), ("splits", "transforms")),
}
"""Folder -> its floors, from the roof down. A room imports only from floors below its own, so those of one floor
never import each other; a folder that is not named here is one room."""


# What the source says


def room_of(path: Path) -> tuple[str, ...]:
    """The rooms that a file lies in, from outside to inside: ``sccan/engine/train.py`` -> ``("engine",)``."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[:-1] or (inside.stem,)


@functools.cache
def files() -> tuple[Path, ...]:
    """All modules; the package's own face and its entry for ``python -m`` belong to no room."""
    return tuple(sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"))


def imported(path: Path) -> Iterator[Path]:
    """The files of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield from _file(f"{node.module}.{name.name}") or _file(node.module)
        elif isinstance(node, ast.Import):
            for name in node.names:
                yield from _file(name.name)


def _file(module: str) -> list[Path]:
    first, *rest = module.split(".")
    path = PACKAGE.joinpath(*rest)
    found = [path.with_suffix(".py"), path / "__init__.py"] if first == PACKAGE.name and rest else []
    return [file for file in found if file.is_file()][:1]


@dataclass(frozen=True)
class Step:
    """An import that leads from one room of a folder to another.

    Attributes:
        folder: whose rooms they are, with dots; empty: the package.
        above, below: names in that folder.
        files: the importing and the imported one.
    """

    folder: str
    above: str
    below: str
    files: tuple[Path, Path]


@functools.cache
def steps() -> tuple[Step, ...]:
    """All imports between rooms, each in the folder that holds both."""
    found, known = [], set(files())
    for path in files():
        for other in known.intersection(imported(path)):
            one, two = room_of(path), room_of(other)
            depth = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
            folder = ".".join(one[:depth])
            if folder in FLOORS and one != two:
                above, below = (rooms[depth] if len(rooms) > depth else OWN for rooms in (one, two))
                found.append(Step(folder, above, below, (path, other)))
    return tuple(found)


def needed(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arrows without those that follow from others."""
    below: dict[str, set[str]] = defaultdict(set)
    for one, other in arrows:
        below[one].add(other)

    @functools.cache
    def reached(name: str) -> frozenset[str]:
        return frozenset(below[name]).union(*(reached(other) for other in sorted(below[name])))

    return [(a, b) for a in sorted(below) for b in sorted(below[a]) if not any(b in reached(c) for c in below[a])]


# The picture

GAP, HEAD, EDGE, LETTER = 22, 24, 12, 7.0
"""Space between boxes, a folder's title, its inner margin, and the mean width of a letter, in pixels."""
RISE = 36
"""Space between floors."""


@dataclass
class Box:
    """A room on the picture; places are in pixels from the top left."""

    name: str
    words: str
    lines: int
    about: str
    hue: int
    floors: list[list[Box]] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 40

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def picture() -> str:
    """The whole house as one element of a page."""
    house = _box("", OWN, 0)
    house.name = house.words = "sccan"
    _measure(house)
    _place(house, 0, -HEAD)
    size = f"0 0 {house.width:.0f} {house.height - HEAD:.0f}"
    rooms = (line for floor in house.floors for box in floor for line in _drawn(box))
    svg = f'<svg viewBox="{size}" role="img" aria-label="rooms of the package">'
    return "\n".join(['<div class="rooms">', svg, STYLE, *_arrows(house), *rooms, "</svg>", "</div>"])


STYLE = """<style>
.rooms svg { width: 100%; font-family: inherit; }
.rooms rect { stroke-width: 1; }
.rooms text { fill: currentColor; font-size: 12.5px; text-anchor: middle; }
.rooms .folder { text-anchor: start; font-weight: bold; }
.rooms .lines { font-size: 10px; opacity: .65; }
.rooms .right { text-anchor: end; }
.rooms path { fill: none; stroke: currentColor; stroke-opacity: .45; stroke-width: 1.1; }
.rooms marker path { fill: currentColor; stroke: none; fill-opacity: .55; }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0.8 L8 4 L0 7.2 z"/></marker></defs>"""


def _box(folder: str, name: str, hue: int) -> Box:
    """A room and all that is in it; `folder` is where it lies."""
    whole = f"{folder}.{name}".strip(".") if name else folder
    place = PACKAGE.joinpath(*whole.split(".")) if whole else PACKAGE
    inner = FLOORS.get(whole, ()) if name or not folder else ()
    face = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    alone = folder and not name
    inside = [path for path in files() if path == face or path.is_relative_to(place)]
    inside = [path for path in inside if path.parent == place] if alone else inside
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in inside)
    stems = [path.stem for path in inside if path.stem != "__init__"]
    words = name or (", ".join(stems) if len(stems) < 3 else f"{len(stems)} files for all")
    box = Box(name, words, lines, ", ".join(stems) if alone else f"{PACKAGE.name}.{whole}: {_purpose(face)}", hue)
    hues = [250 - 24 * floor if not whole else hue for floor in range(len(inner))]
    box.floors = [[_box(whole, room, hue) for room in rooms] for rooms, hue in zip(inner, hues, strict=True)]
    box.arrows = needed((step.above, step.below) for step in steps() if step.folder == whole) if inner else []
    return box


def _purpose(face: Path) -> str:
    """The first line of a file's docstring."""
    return (ast.get_docstring(ast.parse(face.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _measure(box: Box) -> None:
    """Sizes, from inside to outside."""
    for room in (room for floor in box.floors for room in floor):
        _measure(room)
    box.width = max(64, LETTER * len(box.words) + 18)
    if box.floors:
        widths = [sum(room.width for room in floor) + GAP * (len(floor) - 1) for floor in box.floors]
        box.width = max([box.width + 80, *widths]) + 2 * EDGE
        heights = [max(room.height for room in floor) for floor in box.floors]
        box.height = HEAD + sum(heights) + RISE * (len(heights) - 1) + EDGE


def _place(box: Box, x: float, y: float) -> None:
    """Places, from outside to inside: floors from the top down, each in the middle."""
    box.x, box.y = x, y
    y += HEAD
    for floor in box.floors:
        left = box.middle - (sum(room.width for room in floor) + GAP * (len(floor) - 1)) / 2
        for room in floor:
            _place(room, left, y)
            left += room.width + GAP
        y += max(room.height for room in floor) + RISE


def _drawn(box: Box) -> Iterator[str]:
    """The elements of a room."""
    colours = f'fill="hsl({box.hue} 60% 50% / .12)" stroke="hsl({box.hue} 45% 50% / .75)"'
    yield f"<g><title>{html.escape(box.about)}</title>"
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6" {colours}/>'
    )
    words, lines = html.escape(box.words), f"{box.lines:,} lines"
    if not box.floors:
        yield f'<text x="{box.middle:.1f}" y="{box.y + 18:.1f}">{words}</text>'
        yield f'<text class="lines" x="{box.middle:.1f}" y="{box.y + 32:.1f}">{lines}</text></g>'
        return
    yield f'<text class="folder" x="{box.x + EDGE:.1f}" y="{box.y + 16:.1f}">{words}</text>'
    yield f'<text class="lines right" x="{box.x + box.width - EDGE:.1f}" y="{box.y + 16:.1f}">{lines}</text></g>'
    yield from _arrows(box)
    for floor in box.floors:
        for room in floor:
            yield from _drawn(room)


def _arrows(box: Box) -> Iterator[str]:
    """The arrows between the rooms of a folder, from a room's bottom to another's top, past what stands between."""
    rooms = {room.name: room for floor in box.floors for room in floor}
    levels = {room.name: level for level, floor in enumerate(box.floors) for room in floor}
    taken: dict[int, list[float]] = defaultdict(list)
    ways: dict[tuple[str, str], list[float]] = {}  # where an arrow passes each floor between its ends
    for one, other in sorted(box.arrows, key=lambda arrow: (levels[arrow[1]] - levels[arrow[0]], arrow)):
        start, end = levels[one], levels[other]
        slope = (rooms[other].middle - rooms[one].middle) / (end - start)
        straight = {level: rooms[one].middle + slope * (level - start) for level in range(start + 1, end)}
        ways[one, other] = [_way(box, level, x, taken[level]) for level, x in straight.items()]
    for (one, other), passed in ways.items():
        above, below = rooms[one], rooms[other]
        leaving = sorted((w for w in ways if w[0] == one), key=lambda w: [*ways[w], rooms[w[1]].middle][0])
        coming = sorted((w for w in ways if w[1] == other), key=lambda w: [rooms[w[0]].middle, *ways[w]][-1])
        x, to = _port(above, leaving, (one, other)), _port(below, coming, (one, other))
        y = max(room.bottom for room in box.floors[levels[one]])
        path = f"M{x:.1f} {above.bottom:.1f} V{y:.1f}"
        for level, way in enumerate(passed, levels[one] + 1):
            top, bottom = box.floors[level][0].y, max(room.bottom for room in box.floors[level])
            path += f"{_curve(x, y, way, top)} V{bottom:.1f}"
            x, y = way, bottom
        yield f'<path d="{path}{_curve(x, y, to, below.y)}" marker-end="url(#tip)"/>'


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (y + to_y) / 2
    return f" C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"


def _way(box: Box, level: int, wanted: float, taken: list[float]) -> float:
    """Where an arrow passes a floor: beside its rooms, near `wanted`, and not on another arrow."""
    walls = [wall for room in box.floors[level] for wall in (room.x, room.x + room.width)]
    spaces = zip([box.x, *walls[1::2]], [*walls[::2], box.x + box.width], strict=True)
    ways = [left + 5 + 6 * number for left, right in spaces for number in range(int((right - left) / 6) - 1)]
    free = [way for way in ways if all(abs(way - other) >= 6 for other in taken)]
    best = min(free or ways, key=lambda way: abs(way - wanted))
    taken.append(best)
    return best


def _port(box: Box, arrows: Sequence[tuple[str, str]], arrow: tuple[str, str]) -> float:
    """Where an arrow, one of several, touches a room."""
    return box.x + box.width * (arrows.index(arrow) + 1) / (len(arrows) + 1)


def on_page_markdown(markdown: str, **others: Any) -> str:
    """The page with the picture filled in; called by mkdocs."""
    return markdown.replace(DIRECTIVE, picture()) if DIRECTIVE in markdown else markdown
