"""What pictures were taken for: a table, JSON, and a contact sheet with every picture in small under its class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sccan.files.made import Made
from sccan.files.writing import write_json, write_text_atomically
from sccan.report.page import Gallery, Page, Panel, Paragraph, Section, Strip
from sccan.report.pictures import resize_image
from sccan.report.quality_page import Card, Cards
from sccan.report.sheets import fitted_size
from sccan.report.tables import csv_lines

FILES = ("classified.csv", "classified.json", "classified.html")
THUMBNAIL = (120, 120)
PER_STRIP = 6
LARGEST_SHEET = 2400
"""About so many pictures a contact sheet shows at most: of every class as many as of the others."""
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

    def page(self, entries: Iterable[Entry]) -> Page:
        """Doubtful examples, then a section per class that was found, the surest pictures first.

        Args:
            entries: one after another; of the pictures that are not shown none is kept.
        """
        half = max(1, LARGEST_SHEET // (2 * (len(self.class_names) + 1) * PER_STRIP)) * PER_STRIP
        found: defaultdict[str, _OfClass] = defaultdict(lambda: _OfClass(half))
        for number, one in enumerate(entries):
            found[one.label].add(one, number)
        sections = [self._examples()] if self.doubtful else []
        others = sorted(found.keys() - set(self.class_names))
        sections += [self._section(name, found[name]) for name in (*self.class_names, *others) if name in found]
        missing = [name for name in self.class_names if name not in found]
        if missing:
            sections.append(Section(f"No picture: {len(missing)}", [Paragraph(", ".join(missing))]))
        count = sum(one.count for one in found.values())
        return Page(f"{count} pictures, {len(self.class_names)} classes", sections, self.note)

    def _section(self, name: str, own: _OfClass) -> Section:
        shown = own.shown()
        if len(shown) == own.count:
            return Section(f"{name}: {own.count}", [self._gallery(shown)])
        told = f"{own.count - len(shown)} pictures between the surest and the least sure stand in classified.csv alone."
        surest, least_sure = self._gallery(shown[: own.half]), self._gallery(shown[own.half :])
        return Section(f"{name}: {own.count}", [surest, Paragraph(told), least_sure])

    def _gallery(self, shown: Sequence[_Shown]) -> Gallery:
        panels = [
            Panel([_small(self.thumbnail(one.picture))], one.picture, f"{-100 * one.doubt:.0f} %{one.wrong}")
            for one in shown
        ]
        return Gallery([Strip("", "", panels[at : at + PER_STRIP]) for at in range(0, len(panels), PER_STRIP)])

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


class _Shown(NamedTuple):
    """What is shown of a picture; less for a surer one, and of equals for the first."""

    doubt: float
    number: int
    picture: str
    wrong: str


class _OfClass:
    """The pictures of one class as they pass: all, or where they are too many the surest and the least sure.

    Attributes:
        half: how many of either, where not all are kept.
        count: of all.
    """

    def __init__(self, half: int) -> None:
        self.half, self.count = half, 0
        self._kept: list[_Shown] = []

    def add(self, one: Entry, number: int) -> None:
        """Notes the picture of that number."""
        wrong = f", is {one.truth}" if one.truth not in (None, one.label) else ""
        self._kept.append(_Shown(-max(one.probabilities), number, one.picture, wrong))
        self.count += 1
        if len(self._kept) > 4 * self.half:
            self._kept = self.shown()

    def shown(self) -> list[_Shown]:
        """What is kept, the surest first."""
        ranked = sorted(self._kept)
        return ranked if len(ranked) <= 2 * self.half else ranked[: self.half] + ranked[-self.half :]


def write_classified(made: Made, entries: Iterable[Entry], sheet: ContactSheet) -> list[Path]:
    """Write ``classified.csv``, ``classified.json`` and a contact sheet ``classified.html``.

    Args:
        made: the folder, and which of its files are ours.
        entries: of all pictures; walked through several times, none is kept.
        sheet: class names, pictures and what is to be said.

    Raises InputError: the folder cannot be written, or holds a file of this name that is not ours.
    """
    table, plain, html = (made.claim(name) for name in FILES)
    class_names = sheet.class_names
    known = any(one.truth is not None for one in entries)
    header = ["picture", "class", "probability", "likeness", *class_names, *(["truth"] if known else [])]
    rows = (
        (
            *(one.picture, one.label, max(one.probabilities), one.likeness),
            *(*one.probabilities, *([one.truth] if known else [])),
        )
        for one in entries
    )
    records = (
        {
            "picture": one.picture,
            "class": one.label,
            "likeness": one.likeness,
            "probabilities": dict(zip(class_names, one.probabilities, strict=True)),
            **({"truth": one.truth} if known else {}),
        }
        for one in entries
    )
    return [
        write_text_atomically(table, csv_lines(header, rows)),
        write_json(plain, records),
        write_text_atomically(html, sheet.page(entries).render()),
    ]


def _small(image: np.ndarray) -> np.ndarray:
    return resize_image(image, fitted_size(image.shape, THUMBNAIL))
