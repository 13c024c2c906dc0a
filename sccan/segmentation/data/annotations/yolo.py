"""YOLO's segmentation: ``labels/**/NAME.txt`` with a class and a polygon per line; ``data.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sccan.errors import InputError
from sccan.files.matching import PictureNames
from sccan.files.plain import plain
from sccan.files.plain_yaml import read_yaml
from sccan.files.reading import read_lines
from sccan.files.tally import Note, Tally
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, Numbers, require_pictures
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.shapes import Shape, corners, draw_shapes

HOW = "YOLO polygons"
OUTSIDE = 0.05
"""Share of the picture that a corner may lie over its edge."""


@dataclass(frozen=True)
class YoloDraw:
    """Draws the label of one picture, see `Draw`.

    Attributes:
        source: the text file.
        names: of the classes 0, 1, ...
    """

    source: Path
    names: tuple[str, ...]

    def __call__(self, size: tuple[int, int], numbers: Numbers) -> tuple[np.ndarray, list[Note]]:
        shapes, notes = [], []
        for line, words in _lines(self.source):
            where = f"annotation {self.source}, line {line}"
            number = int(words[0]) if words[0].isdigit() and len(words[0]) < 10 else -1
            if not 0 <= number < len(self.names):
                raise InputError(f"{where}: there is no class {plain(words[0])!r}; {len(self.names)} are named")
            if len(words) == 5:
                notes.append(("left out, as they are boxes without a mask", self.source.name))
                continue
            try:
                shares = np.array([float(word) for word in words[1:]])
                if len(shares) % 2 or not ((shares >= -OUTSIDE) & (shares <= 1 + OUTSIDE)).all():
                    raise ValueError("its corners are no pairs of shares from 0 to 1")
                ring = corners(shares.reshape(-1, 2) * (size[1], size[0]), least=3)
            except ValueError as error:
                raise InputError(f"{where}: a polygon cannot be drawn: {error}") from error
            shapes.append(Shape(self.names[number], "outline", (np.rint(ring - 1e-6),)))
        label, more = draw_shapes(shapes, size, numbers, str(self.source))
        return label, notes + more


def read(place: Place) -> Annotations | None:
    """The text files of a folder, known by ``data.yaml`` and by their content.

    Raises InputError: the classes are not named, a file is unfit, or none of the pictures is there.
    """
    table = next((file for file in place.ending(".yaml", ".yml") if file.parent == place.root), None)
    texts = [file for file in place.ending(".txt") if file.parent != place.root and _is_label(file)]
    texts = texts if table is not None else [file for file in texts if "labels" in file.relative_to(place.root).parts]
    if not texts:
        return None
    names = _names(table) if table is not None else place.class_names
    if not names:
        raise InputError(
            f"{texts[0]} holds polygons of numbered classes; name them in {place.root}/data.yaml or classes.txt"
        )
    told = Tally()
    found = {image: file for file in texts if (image := _picture(file, place.pictures)) is not None}
    told.extend(
        ("left out, as no picture is called after the text file", place.below(one))
        for one in texts
        if one not in found.values()
    )
    require_pictures(texts[0], [file.stem for file in texts], [*found], place, told)
    classes = place.class_names or tuple(dict.fromkeys(names))
    marked = [Marked(image, YoloDraw(file, names)) for image, file in found.items()]
    return Annotations(HOW, classes, marked, told, frozenset(texts) | (frozenset([table]) if table else frozenset()))


def _picture(text: Path, pictures: PictureNames) -> Path | None:
    """``train/labels/a.txt`` is of ``train/images/a.jpg``, ``labels/train/a.txt`` of ``images/train/a.jpg``."""
    below = text.relative_to(pictures.folder).with_suffix("")
    parts = ["images" if part == "labels" else part for part in below.parts]
    return pictures.find("/".join(parts))


def _is_label(file: Path) -> bool:
    """Whether its first line is a class and numbers."""
    try:
        _, words = next(_lines(file), (0, ["0"] * 5))
        return len(words) >= 5 and words[0].isdigit() and all(np.isfinite(float(word)) for word in words[1:])
    except (InputError, ValueError):
        return False


def _lines(file: Path) -> Any:
    return ((number, line.split()) for number, line in read_lines(file, "annotation"))


def _names(table: Path) -> tuple[str, ...]:
    content: Any = read_yaml(table)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        numbers = sorted(int(number) for number in names if str(number).isdigit())
        if numbers != list(range(len(names))):
            raise InputError(
                f"{table}: names must be numbered 0, 1, 2 ...; found {', '.join(map(str, list(names)[:5]))}"
            )
        names = [names.get(number, names.get(str(number))) for number in numbers]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int | float) for name in names):
        raise InputError(f"{table} has no list of names; expected names: [cat, dog] as YOLO has it")
    return tuple(str(name) for name in names)
