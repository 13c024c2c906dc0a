"""The page of `sccan mark-one`: how well the rest was found, by class and number of marked pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sccan.report.page import Block, Page, Paragraph, Section, Settings, TableBlock
from sccan.report.quality_page import SUPPORT_LEGEND, Card, Cards
from sccan.report.tables import Table, count_column, interval_column, percent_column, text_column

READING = (
    "Some pictures of the folder are drawn and shown to the model with their masks; the class is then found in others, "
    "and scored against theirs. IoU: mean over the draws of the mean over their pictures, with the 95 % interval over "
    "draws. All pixels: sums of intersections over sums of unions. With the background: mean of that and the same of "
    "the background. Border: harmonic mean of the shares of the found and of the true border that lie within 0.8 % of "
    "the diagonal of each other (the F of DAVIS)."
)


@dataclass(frozen=True)
class FoundRow:
    """One line of the table.

    Attributes:
        class_name: what was looked for; empty: the mean over all classes.
        shots: marked pictures.
        pictures: scored.
        iou: mean and half-width of its interval or None.
        class_iou, fb_iou, boundary: see `READING`.
    """

    class_name: str
    shots: int
    pictures: int
    iou: tuple[float, float | None]
    class_iou: float
    fb_iou: float
    boundary: float


@dataclass(frozen=True)
class WorstPicture:
    """A picture with errors drawn in.

    Attributes:
        image: RGB uint8, [h, w, 3].
        name: of the picture.
        iou: of what was found.
        note: what it was found from.
    """

    image: np.ndarray
    name: str
    iou: float
    note: str


def found_table(rows: Sequence[FoundRow]) -> Table:
    """Rows as a table; those over all classes are emphasised."""
    columns = [
        text_column("class"),
        count_column("marked"),
        count_column("pictures"),
        interval_column("IoU, %"),
        percent_column("all pixels, %"),
        percent_column("with the background, %"),
        percent_column("border F, %"),
    ]
    values = [
        (
            row.class_name or "mean over classes",
            row.shots,
            row.pictures,
            row.iou,
            row.class_iou,
            row.fb_iou,
            row.boundary,
        )
        for row in rows
    ]
    means = frozenset(number for number, one in enumerate(rows) if not one.class_name)
    return Table(columns, values, emphasised=means)


def mark_one_page(
    rows: Sequence[FoundRow],
    worst: Sequence[WorstPicture],
    *,
    title: str,
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Page:
    """The page.

    Args:
        rows: of the table.
        worst: pictures, the worst first.
        title: heading.
        facts: what the numbers depend on.
        notes: sentences for a reader.
    """
    blocks: list[Block] = [TableBlock(found_table(rows)), Paragraph(READING), *map(Paragraph, notes)]
    cards = [Card(one.image, one.name, one.iou, "IoU", one.note) for one in worst]
    return Page(
        title,
        [
            Section("What was found", blocks),
            Section("The worst pictures", [Cards(cards, SUPPORT_LEGEND)]),
            Section("What the numbers depend on", [Settings(dict(facts), "Model and draws", unfolded=True)]),
        ],
    )
