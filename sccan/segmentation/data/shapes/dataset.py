"""The embedded data set `shapes`: made by this file, so that everything can be tried without a download.

20 classes in 4 folds of 5, in the layout of PASCAL VOC. A class is a pair of an outline and a texture. Five outlines
and five textures give 25 pairs; fold k holds the pairs (i, (i + k) mod 5), so each fold has every outline and every
texture once. A novel class is therefore a new pair of things that each occur in three base classes: no outline and no
texture alone tells it from the base classes beside it. The fifth diagonal of pairs belongs to no class.

A second universe, with other outlines and other textures, is there for development: settings tuned on it have not seen
the classes that the released numbers are about.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sccan.errors import InputError, nearest
from sccan.files.alone import alone_in
from sccan.files.parallel import in_parallel
from sccan.files.reading import read_text
from sccan.files.writing import write_text_atomically, written_beside
from sccan.segmentation.data.shapes.drawing import Look, draw_scene

VERSION = 1  # of the pictures: a change of a single pixel needs another number
N_FOLDS = 4
JPEG_QUALITY = 95
MOST_PICTURES, LARGEST = 10**6, 4096
IMAGES, LABELS = "JPEGImages", "SegmentationClassAug"
SETTINGS_FILE, COMPLETE_FILE = "settings.json", "complete.json"

_ATTRIBUTES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "released": (
        ("disc", "triangle", "star", "cross", "ring"),
        ("stripes", "dots", "checks", "ripples", "speckle"),
    ),
    "development": (
        ("square", "crescent", "heart", "gear", "arrow"),
        ("zigzag", "grid", "bricks", "spokes", "plaid"),
    ),
}


def universe(name: str = "released") -> Look:
    """Outlines, textures and classes of a universe.

    Args:
        name: ``released`` or ``development``; they share no outline and no texture.

    Raises InputError: there is no such universe.
    """
    if name not in _ATTRIBUTES:
        raise InputError(
            f"no universe of shapes is called {name!r}; there are {', '.join(_ATTRIBUTES)}{nearest(name, _ATTRIBUTES)}"
        )
    outlines, textures = _ATTRIBUTES[name]
    pairs = [
        (outlines[i], textures[(i + fold) % len(textures)]) for fold in range(N_FOLDS) for i in range(len(outlines))
    ]
    return Look(outlines, textures, tuple(pairs))


def class_names(name: str = "released") -> list[str]:
    """Names of class 1, 2, ..., such as ``disc-stripes``."""
    return [f"{outline}-{texture}" for outline, texture in universe(name).classes]


@dataclass(frozen=True)
class Settings:
    """What decides every pixel of the data set."""

    n_train: int
    n_test: int
    seed: int
    size: int
    universe: str
    version: int = VERSION

    def as_json(self) -> str:
        return json.dumps(self.__dict__, indent=2) + "\n"


@dataclass(frozen=True)
class _Item:
    """One picture: its place in the split and its file name without ending."""

    split: int
    number: int
    name: str


def generate(
    root: str | Path,
    *,
    n_train: int = 2000,
    n_test: int = 500,
    seed: int = 0,
    size: int = 129,
    universe: str = "released",
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Write the data set into a folder, or what is still missing of it.

    Every file appears whole or not at all, and ``complete.json`` comes last; a call after an interruption writes the
    rest. The pictures depend on the other settings only, not on the number of workers.

    Args:
        root: folder of the data set; made if it does not exist.
        n_train, n_test: number of pictures in ``train.txt`` and ``val.txt``.
        size: height and width of the pictures, in pixels.
        universe: ``released``, or ``development`` for tuning.
        workers: processes; None for one per usable core.

    Returns:
        `root`.

    Raises InputError: a number is out of range, `root` holds something else, or further processes cannot be started.
    """
    settings = Settings(n_train, n_test, seed, size, universe)
    _check(settings)
    root = Path(root)
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} exists and is not a folder of shapes; expected a new or an empty folder")
    with alone_in(root, what="another process draws shapes into"):
        if not _claim(root, settings):
            _draw(root, settings, workers, progress)
    return root


def _draw(root: Path, settings: Settings, workers: int | None, progress: bool) -> None:
    """Writes what is missing of a claimed folder."""
    items = [_Item(0, i, f"train_{i:05d}") for i in range(settings.n_train)] + [
        _Item(1, i, f"val_{i:05d}") for i in range(settings.n_test)
    ]
    missing = [item for item in items if not all(path.exists() for path in _paths(root, item.name))]
    for _ in in_parallel(
        functools.partial(_write_item, root, settings),
        missing,
        total=len(missing),
        workers=len(os.sched_getaffinity(0)) if workers is None else workers,
        title=f"drawing shapes into {root}",
        done=len(items) - len(missing),
        shown=progress,
    ):
        pass
    for split, list_name in enumerate(("train.txt", "val.txt")):
        lines = [f"{IMAGES}/{i.name}.jpg {LABELS}/{i.name}.png\n" for i in items if i.split == split]
        write_text_atomically(root / list_name, "".join(lines))
    names = class_names(settings.universe)
    write_text_atomically(root / "classes.txt", "".join(f"{name}\n" for name in names))
    write_text_atomically(root / COMPLETE_FILE, settings.as_json())


def is_complete(root: str | Path) -> bool:
    """Whether `generate` has finished in this folder."""
    return (Path(root) / COMPLETE_FILE).is_file()


def _check(settings: Settings) -> None:
    universe(settings.universe)
    if max(settings.n_train, settings.n_test) > MOST_PICTURES or not 0 <= settings.seed < 2**63:
        raise InputError(f"{settings} is more than is drawn; give at most {MOST_PICTURES} pictures and a smaller seed")
    if settings.size > LARGEST:
        raise InputError(f"shapes of {settings.size} pixels would be too large; give a size up to {LARGEST}")
    if settings.n_train < 1 or settings.n_test < 1:
        raise InputError(
            f"shapes needs pictures in both lists, found n_train={settings.n_train} and n_test={settings.n_test}; "
            "give numbers from 1 on"
        )
    if settings.size < 65:
        raise InputError(f"shapes of {settings.size} pixels would be too small to tell apart; give a size from 65 on")
    if settings.seed < 0:
        raise InputError(f"the seed of shapes is {settings.seed}; give a number from 0 on")


def _claim(root: Path, settings: Settings) -> bool:
    """Mark an empty folder as ours, or check that it is: True if nothing is left to do."""
    wanted = settings.as_json()
    marker = root / SETTINGS_FILE
    if marker.is_file():
        found = read_text(marker, "settings of shapes")
        if found != wanted:
            raise InputError(
                f"{root} holds shapes made with other settings ({' '.join(found.split())[:300]}) than asked for "
                f"({' '.join(wanted.split())}); delete it or choose another folder"
            )
        return is_complete(root)
    if any(root.iterdir()):
        raise InputError(f"{root} exists and is not a folder of shapes; expected a new or an empty folder")
    for folder in (IMAGES, LABELS):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_text_atomically(marker, wanted)
    return False


def _write_item(root: Path, settings: Settings, item: _Item) -> None:
    random = np.random.default_rng([settings.seed, item.split, item.number])
    image, label = draw_scene(universe(settings.universe), settings.size, random)
    image_path, label_path = _paths(root, item.name)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    for path, encoded in (
        (image_path, cv2.imencode(".jpg", image[..., ::-1], quality)[1]),
        (label_path, cv2.imencode(".png", label)[1]),
    ):
        with written_beside(path, durable=False) as beside:
            beside.write_bytes(encoded.tobytes())


def _paths(root: Path, name: str) -> tuple[Path, Path]:
    return root / IMAGES / f"{name}.jpg", root / LABELS / f"{name}.png"
