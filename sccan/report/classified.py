"""What pictures were taken for: a table, JSON, and a contact sheet with every picture in small under its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.files.made import Made
from sccan.files.writing import write_json, write_text_atomically
from sccan.report.page import Gallery, Page, Panel, Paragraph, Section, Strip
from sccan.report.pictures import resize_image
from sccan.report.quality_page import Card, Cards
from sccan.report.sheets import fitted_size
from sccan.report.tables import csv_text

FILES = ("classified.csv", "classified.json", "classified.html")
THUMBNAIL = (120, 120)
PER_STRIP = 6
SHOWN_EXAMPLES = 60


@dataclass(frozen=True)
class Entry:
    """One picture.

    Attributes:
        picture: its name.
        label: the class it was taken for, or a word for none.
        probabilities: one per class, in their order.
        likeness: cosine with the nearest class mean.
        truth: its class, where it is known.
    """

    picture: str
    label: str
    probabilities: Sequence[float]
    likeness: float
    truth: str | None = None


@dataclass(frozen=True)
class DoubtfulCard:
    """An example that is nearer to another class than to the others of its own.

    Attributes:
        name: of the example.
        image: gives it, RGB uint8 [h, w, 3].
        class_name: what it was shown as.
        own: cosine with the mean of the others of that class.
        nearest: the other class.
        other: cosine with that one's mean.
    """

    name: str
    image: Callable[[], np.ndarray]
    class_name: str
    own: float
    nearest: str
    other: float


@dataclass(frozen=True)
class ContactSheet:
    """What a contact sheet shows besides its entries.

    Attributes:
        class_names: in the order of the probabilities.
        thumbnail: gives a picture by its name, RGB uint8 [h, w, 3]; made small here.
        note: how pictures become none of these; empty: by no rule that has to be told.
        doubtful: examples to look at first.
    """

    class_names: Sequence[str]
    thumbnail: Callable[[str], np.ndarray]
    note: str = ""
    doubtful: Sequence[DoubtfulCard] = ()

    def page(self, entries: Sequence[Entry]) -> Page:
        """Doubtful examples, then a section per class that was found, the surest pictures first."""
        sections = [self._examples()] if self.doubtful else []
        others = sorted({one.label for one in entries} - set(self.class_names))
        for name in (*self.class_names, *others):
            own = sorted((one for one in entries if one.label == name), key=lambda one: -max(one.probabilities))
            strips = [
                Strip("", "", [_panel(one, self.thumbnail) for one in own[first : first + PER_STRIP]])
                for first in range(0, len(own), PER_STRIP)
            ]
            sections += [Section(f"{name}: {len(own)}", [Gallery(strips)])] if own else []
        missing = [name for name in self.class_names if all(one.label != name for one in entries)]
        if missing:
            sections.append(Section(f"No picture: {len(missing)}", [Paragraph(", ".join(missing))]))
        return Page(f"{len(entries)} pictures, {len(self.class_names)} classes", sections, self.note)

    def _examples(self) -> Section:
        words = Paragraph(
            "Examples that are nearer to another class than to the others of their own: they may lie in the wrong "
            "folder, or the two classes may look alike."
        )
        cards = [
            Card(
                _small(one.image()), one.name, one.own, "like its class",
                f"{one.class_name}; {100 * one.other:.0f}% like {one.nearest}", "doubtful example",
            )
            for one in self.doubtful[:SHOWN_EXAMPLES]
        ]  # fmt: skip
        return Section(f"Doubtful examples: {len(self.doubtful)}", [words, Cards(cards)])


def write_classified(made: Made, entries: Sequence[Entry], sheet: ContactSheet) -> list[Path]:
    """Write ``classified.csv``, ``classified.json`` and a contact sheet ``classified.html``.

    Args:
        made: the folder, and which of its files are ours.
        entries: of all pictures.
        sheet: class names, pictures and what is to be said.

    Raises InputError: the folder cannot be written, or holds a file of this name that is not ours.
    """
    table, plain, html = (made.claim(name) for name in FILES)
    class_names = sheet.class_names
    known = any(one.truth is not None for one in entries)
    header = ["picture", "class", "probability", "likeness", *class_names, *(["truth"] if known else [])]
    rows = [
        (
            *(one.picture, one.label, max(one.probabilities), one.likeness),
            *(*one.probabilities, *([one.truth] if known else [])),
        )
        for one in entries
    ]
    records = [
        {
            "picture": one.picture,
            "class": one.label,
            "likeness": one.likeness,
            "probabilities": dict(zip(class_names, one.probabilities, strict=True)),
            **({"truth": one.truth} if known else {}),
        }
        for one in entries
    ]
    return [
        write_text_atomically(table, csv_text(header, rows)),
        write_json(plain, records),
        write_text_atomically(html, sheet.page(entries).render()),
    ]


def _panel(one: Entry, thumbnail: Callable[[str], np.ndarray]) -> Panel:
    image = thumbnail(one.picture)
    wrong = f", is {one.truth}" if one.truth not in (None, one.label) else ""
    return Panel([_small(image)], one.picture, f"{100 * max(one.probabilities):.0f} %{wrong}")


def _small(image: np.ndarray) -> np.ndarray:
    return resize_image(image, fitted_size(image.shape, THUMBNAIL))
