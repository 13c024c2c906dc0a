"""What pictures were taken for: a table, JSON, and a contact sheet with every picture in small under its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.files.made import Made
from sccan.files.writing import write_json, write_text_atomically
from sccan.report.page import Gallery, Page, Panel, Section, Strip
from sccan.report.pictures import resize_image
from sccan.report.sheets import fitted_size
from sccan.report.tables import csv_text

FILES = ("classified.csv", "classified.json", "classified.html")
THUMBNAIL = (120, 120)
PER_STRIP = 6


@dataclass(frozen=True)
class Entry:
    """One picture.

    Attributes:
        picture: its name.
        label: the class it was taken for, or a word for none.
        probabilities: one per class, in their order.
        truth: its class, where it is known.
    """

    picture: str
    label: str
    probabilities: Sequence[float]
    truth: str | None = None


def write_classified(
    made: Made, entries: Sequence[Entry], class_names: Sequence[str], thumbnail: Callable[[str], np.ndarray]
) -> list[Path]:
    """Write ``classified.csv``, ``classified.json`` and a contact sheet ``classified.html``.

    Args:
        made: the folder, and which of its files are ours.
        entries: of all pictures.
        class_names: in the order of the probabilities.
        thumbnail: gives a picture by its name, RGB uint8 [h, w, 3]; made small here.

    Raises InputError: the folder cannot be written, or holds a file of this name that is not ours.
    """
    table, plain, sheet = (made.claim(name) for name in FILES)
    known = any(one.truth is not None for one in entries)
    header = ["picture", "class", "probability", *class_names, *(["truth"] if known else [])]
    rows = [
        (one.picture, one.label, max(one.probabilities), *one.probabilities, *([one.truth] if known else []))
        for one in entries
    ]
    records = [
        {
            "picture": one.picture,
            "class": one.label,
            "probabilities": dict(zip(class_names, one.probabilities, strict=True)),
            **({"truth": one.truth} if known else {}),
        }
        for one in entries
    ]
    return [
        write_text_atomically(table, csv_text(header, rows)),
        write_json(plain, records),
        write_text_atomically(sheet, contact_sheet(entries, class_names, thumbnail).render()),
    ]


def contact_sheet(entries: Sequence[Entry], class_names: Sequence[str], thumbnail: Callable[[str], np.ndarray]) -> Page:
    """A page with a section per class, the surest pictures first."""
    others = sorted({one.label for one in entries} - set(class_names))
    sections = []
    for name in (*class_names, *others):
        own = sorted((one for one in entries if one.label == name), key=lambda one: -max(one.probabilities))
        strips = [
            Strip("", "", [_panel(one, thumbnail) for one in own[first : first + PER_STRIP]])
            for first in range(0, len(own), PER_STRIP)
        ]
        sections.append(Section(f"{name}: {len(own)}", [Gallery(strips)]))
    return Page(f"{len(entries)} pictures, {len(class_names)} classes", sections)


def _panel(one: Entry, thumbnail: Callable[[str], np.ndarray]) -> Panel:
    image = thumbnail(one.picture)
    wrong = f", is {one.truth}" if one.truth not in (None, one.label) else ""
    small = resize_image(image, fitted_size(image.shape, THUMBNAIL))
    return Panel([small], one.picture, f"{100 * max(one.probabilities):.0f} %{wrong}")
