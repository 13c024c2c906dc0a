"""One's own pictures: a folder with examples of every class, and pictures to be told apart.

Any number of classes, and any number of examples per class, which may differ.
Letters: S support pictures, Q pictures to recognise, N classes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sccan.classification.data.file_formats import read_class_folder
from sccan.classification.data.pictures import SUFFIXES, FilePictures, decode_picture
from sccan.classification.data.transforms import FixedTransform
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.method import Method
from sccan.report.files import write_json, write_text_atomically
from sccan.report.page import Gallery, Page, Panel, Section, Strip
from sccan.report.pictures import resize_image
from sccan.report.sheets import fitted_size
from sccan.report.tables import csv_text

NONE = "none of these"
THUMBNAIL = (120, 120)
PER_STRIP = 6
TOGETHER = 256
"""Pictures predicted together, where a method does not need all of them."""


@dataclass(frozen=True)
class Recognition:
    """What a picture was recognised as.

    Attributes:
        path: the picture.
        label: name of the class, or `NONE`.
        probabilities: softmax of the method's scores, one per class; they sum to 1 over the classes that were shown.
    """

    path: Path
    label: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Recognised:
    """Pictures of a folder with their classes.

    Attributes:
        class_names: in the order of the probabilities.
        pictures: in the order of their names.
    """

    class_names: tuple[str, ...]
    pictures: tuple[Recognition, ...]


def recognise(
    method: Method,
    transform: FixedTransform,
    support: Path,
    folder: Path,
    *,
    device: torch.device,
    none_below: float = 0.0,
    all_at_once: bool = False,
) -> Recognised:
    """Recognise the pictures of a folder.

    Args:
        method: any classification method, on the device.
        transform: the preprocessing that the method was trained with.
        support: folder with one sub-folder of example pictures per class; their names are the classes.
        folder: pictures to recognise, and not those of its sub-folders.
        none_below: smallest probability of the best class; a picture below it is none of these.
        all_at_once: hand all pictures to the method together, for transductive inference.

    Raises InputError: fewer than two classes, a class or a folder without pictures, or one that cannot be decoded.
    """
    if not 0 <= none_below < 1:
        raise InputError(f"the smallest probability is {none_below}, but must lie in [0, 1)")
    examples = _examples(support)
    paths = _pictures_in(folder)
    with torch.no_grad():
        known = _encode(method, transform, examples.paths, device, "examples").view(1, len(examples))
        state = method.condition(known, torch.from_numpy(examples.labels)[None].to(device))
        features = _encode(method, transform, paths, device, "pictures")
        step = len(paths) if all_at_once else TOGETHER
        parts = [_part(features, first, step) for first in range(0, len(paths), step)]
        scores = torch.cat([method.predict(part, state)[0] for part in parts])  # [Q, N]
    probabilities = scores.float().softmax(-1).cpu()
    best, labels = probabilities.max(-1)
    names = [NONE if p < none_below else examples.class_names[n] for p, n in zip(best.tolist(), labels, strict=True)]
    rows = zip(paths, names, probabilities.tolist(), strict=True)
    return Recognised(examples.class_names, tuple(Recognition(path, name, tuple(row)) for path, name, row in rows))


def write_recognised(out: Path, found: Recognised, *, copies: bool = False) -> list[Path]:
    """Write ``recognised.csv``, ``recognised.json`` and a contact sheet ``recognised.html``.

    Args:
        copies: also copy every picture into ``sorted/CLASS/``.

    Raises InputError: the folder cannot be written.
    """
    header = ["picture", "class", "probability", *found.class_names]
    rows = [(one.path.name, one.label, max(one.probabilities), *one.probabilities) for one in found.pictures]
    records = [
        {
            "picture": one.path.name,
            "class": one.label,
            "probabilities": dict(zip(found.class_names, one.probabilities, strict=True)),
        }
        for one in found.pictures
    ]
    files = [
        write_text_atomically(out / "recognised.csv", csv_text(header, rows)),
        write_json(out / "recognised.json", records),
        write_text_atomically(out / "recognised.html", contact_sheet(found).render()),
    ]
    for one in found.pictures if copies else ():
        target = out / "sorted" / one.label / one.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.path, target)
    return files


def contact_sheet(found: Recognised) -> Page:
    """A page with every picture in small under its class, the surest first."""
    sections = []
    for name in (*found.class_names, NONE):
        own = sorted((one for one in found.pictures if one.label == name), key=lambda one: -max(one.probabilities))
        strips = [
            Strip(
                "", "", [Panel([_thumbnail(one.path)], one.path.name, _caption(one)) for one in own[n : n + PER_STRIP]]
            )
            for n in range(0, len(own), PER_STRIP)
        ]
        if own or name != NONE:
            sections.append(Section(f"{name}: {len(own)}", [Gallery(strips)]))
    return Page(f"{len(found.pictures)} pictures, {len(found.class_names)} classes", sections)


def _caption(one: Recognition) -> str:
    return f"{100 * max(one.probabilities):.0f} %"


def _thumbnail(path: Path) -> np.ndarray:
    picture = decode_picture(path.read_bytes(), str(path))
    return resize_image(picture, fitted_size(picture.shape, THUMBNAIL))


def _examples(support: Path) -> FilePictures:
    if not support.is_dir():
        raise InputError(f"there is no folder {support}; give one with a sub-folder of examples per class")
    examples = read_class_folder(support)
    if len(examples.class_names) < 2:
        raise InputError(f"{support} has examples of {examples.class_names[0]!r} alone; give at least two classes")
    return examples


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give one with the pictures to recognise")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder} holds no picture; expected files ending in {', '.join(SUFFIXES)}")
    return paths


def _encode(
    method: Method, transform: FixedTransform, paths: Sequence[Path], device: torch.device, title: str
) -> Features:
    """Features of pictures, each encoded on its own, with the leading dimension [n]."""
    found = []
    for path in tqdm(paths, desc=title, unit=" pictures", disable=None):
        image = transform(decode_picture(path.read_bytes(), f"picture {path}"))
        found.append(method.encode(image[None].to(device)))
    maps = {name: torch.cat([one.maps[name] for one in found]) for name in found[0].maps}
    return Features(maps, found[0].image_size)


def _part(features: Features, first: int, count: int) -> Features:
    """Some of the pictures as the queries of one episode, [1, Q]."""
    maps = {name: value[None, first : first + count] for name, value in features.maps.items()}
    return Features(maps, features.image_size)
