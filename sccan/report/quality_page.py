"""The quality report of a folder of segmented pictures: one self-contained HTML page, the worst first.

It answers two questions in the order in which they matter: is one of the examples bad (each was predicted from the
others, or from altered copies of itself), and which pictures should somebody look at before the masks are used.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from sccan.errors import InputError
from sccan.files.writing import write_text_atomically
from sccan.report.page import Block, Gallery, Headline, Page, Paragraph, Section, Settings, TableBlock, inlined
from sccan.report.pictures import FALSE_ALARM, HIT, MISSED, resize_image
from sccan.report.sheets import LegendEntry, fitted_size
from sccan.report.tables import Table, percent_column, text_column, whole

WEAK_SUPPORT = 0.5
"""Self-consistency (IoU) below which an example is called doubtful."""
LARGEST_GALLERY = 240
"""Most pictures that are shown."""
LARGEST_LIST = 2000
"""Most pictures that the table names; of the others numbers alone are kept while the page is made."""
THUMBNAIL = 400
"""Longer side of a picture in the page, in pixels."""
SHOWN_NAMES = 5
SUPPORT_LEGEND = (
    LegendEntry("found and marked", HIT),
    LegendEntry("found, not marked", FALSE_ALARM),
    LegendEntry("marked, not found", MISSED, hatched=True),
)
READING = (
    "Confidence: the IoU that the mask would have on average if the network's probabilities were true; 0 where nothing "
    "was found. Networks are surer than they should be: use it to rank pictures, not as a promise. Probably absent: "
    "what was marked is less like the examples, by the backbone's deepest features, than halfway between their "
    "background and their foreground."
)


@dataclass(frozen=True)
class PictureOutcome:
    """One segmented picture.

    Attributes:
        name: of the picture, unique within the report.
        overlay: the picture with its mask drawn in, RGB uint8 [h, w, 3], or the file that holds it; read when the page
            is written.
        confidence: how sure the mask is, in [0, 1]; 0 where it is empty.
        foreground: share of the pixels that some class has won, in [0, 1].
        absent: the classes are probably not in the picture (`sccan.segmentation.finding.absence`).
        classes: share of the pixels of each class that was looked for, by name.
    """

    name: str
    overlay: np.ndarray | Path
    confidence: float
    foreground: float
    absent: bool
    classes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SupportOutcome:
    """One example, as the model sees it with the help of the others (or of altered copies of itself).

    Attributes:
        name: of the picture.
        class_name: which class it shows.
        iou: of the prediction with the example's own mask, in [0, 1].
        overlay: the picture with prediction and mask, RGB uint8 [h, w, 3], or the file that holds it.
        how: what it was predicted from, in words, such as "predicted from each of 4 others".
    """

    name: str
    class_name: str
    iou: float
    overlay: np.ndarray | Path
    how: str = ""


def write_quality_page(
    path: Path,
    pictures: Iterable[PictureOutcome],
    supports: Sequence[SupportOutcome],
    *,
    title: str,
    facts: Mapping[str, Any],
) -> Path:
    """Write the report, whole or not at all.

    Args:
        path: of the HTML file.
        pictures: in any order, one after another; the page shows the worst first.
        supports: in any order; of several classes.
        title: heading of the page, before the number of pictures.
        facts: what the masks depend on (model, sizes, thresholds ...), nested plain data.

    Raises InputError: the file cannot be written, or an overlay cannot be read.
    """
    return write_text_atomically(path, quality_page(pictures, supports, title=title, facts=facts).render())


def quality_page(
    pictures: Iterable[PictureOutcome], supports: Sequence[SupportOutcome], *, title: str, facts: Mapping[str, Any]
) -> Page:
    """The page of `write_quality_page`."""
    seen = _Seen(pictures)
    sections = [Section("At a glance", [Headline(_numbers(seen, supports)), Paragraph(_verdict(seen, supports))])]
    if supports:
        cards = [_support_card(one) for one in sorted(supports, key=lambda one: (one.iou, one.name))]
        words = Paragraph(
            "Each example as the model sees it with the help of the others, or of altered copies where it is the only "
            "one. A low number: the mask is careless or around something else, or the model cannot do it; then it is "
            "low for all."
        )
        sections.append(Section(f"Examples ({len(supports)})", [words, Cards(cards, SUPPORT_LEGEND)]))
    if seen.count:
        blocks: list[Block] = [Cards([_picture_card(one) for one in seen.worst[:LARGEST_GALLERY]])]
        if seen.count > LARGEST_GALLERY:
            rest = f"The {seen.count - LARGEST_GALLERY} most confident" if seen.count <= LARGEST_LIST else "More"
            blocks.append(Paragraph(f"{rest} pictures stand in the list."))
        sections.append(Section("Pictures, those to look at first", blocks))
        sections.append(_list_of(seen))
    about: list[Block] = [Paragraph(READING), Settings(dict(facts), "Model, sizes, thresholds", unfolded=True)]
    sections.append(Section("What the masks depend on", about))
    return Page(f"{title} in {seen.count} pictures", sections)


def _list_of(seen: _Seen) -> Section:
    table = TableBlock(_table(seen.worst))
    if seen.count <= LARGEST_LIST:
        return Section("All pictures", [table])
    rest = whole(seen.count - LARGEST_LIST)
    return Section("The list", [Paragraph(f"The {rest} most confident pictures stand in summary.csv alone."), table])


class _Seen:
    """What is kept of pictures that pass one after another: the worst of them, and numbers of all.

    Attributes:
        worst: at most `LARGEST_LIST`, the worst first.
        unlike: of those where something was marked that hardly resembles the examples the worst, at most `SHOWN_NAMES`.
        count, absent, empty, n_unlike: how many there are, those where the class is probably absent, those where
            nothing was found, and the unlike ones.
        confidences: of all.
    """

    def __init__(self, pictures: Iterable[PictureOutcome]) -> None:
        self.count = self.absent = self.empty = self.n_unlike = 0
        self.unlike: list[PictureOutcome] = []
        self.confidences = array("d")
        self.worst = heapq.nsmallest(LARGEST_LIST, map(self._counted, pictures), key=_rank)

    def _counted(self, one: PictureOutcome) -> PictureOutcome:
        self.count += 1
        self.absent += one.absent
        self.empty += not one.foreground
        self.confidences.append(one.confidence)
        if one.absent and one.foreground:
            self.n_unlike += 1
            self.unlike = heapq.nsmallest(SHOWN_NAMES, [*self.unlike, one], key=_rank)
        return one


def _rank(one: PictureOutcome) -> tuple[bool, float, str]:
    """Less for a worse picture."""
    return not one.absent, one.confidence, one.name


@dataclass(frozen=True)
class Card:
    """A picture with its name, a number as a bar, and a warning if there is something to warn of.

    Attributes:
        image: RGB uint8, [h, w, 3].
        name: of the picture.
        value: in [0, 1].
        meaning: of the value.
        note: a line below.
        warning: a few words; empty: none.
    """

    image: np.ndarray
    name: str
    value: float
    meaning: str
    note: str = ""
    warning: str = ""

    def html(self) -> str:
        name, note = escape(self.name), escape(self.note)
        height, width = self.image.shape[:2]
        warning = f'<b class="badge">{escape(self.warning)}</b>' if self.warning else ""
        share = f"{100 * min(max(self.value, 0.0), 1.0):.0f}%"
        return (
            f'<figure class="card{" warned" if self.warning else ""}">'
            f'<div class="frame"><img src="{inlined(self.image)}" width="{width}" height="{height}" alt="{name}" '
            f'loading="lazy">{warning}</div><figcaption title="{name}">{name}</figcaption>'
            f'<div class="meter" role="img" aria-label="{escape(self.meaning)} {share}"><i style="width:{share}"></i>'
            f'</div><span class="caption" title="{note}"><b>{share}</b> {escape(self.meaning)}'
            f"{f' · {note}' if note else ''}</span></figure>"
        )


@dataclass(frozen=True)
class Cards:
    """Cards side by side, as many as the screen is wide, under a legend of colours."""

    cards: Sequence[Card]
    legend: Sequence[LegendEntry] = ()

    def html(self) -> str:
        grid = "\n".join(card.html() for card in self.cards)
        return f'{Gallery((), self.legend).html()}\n<div class="cards">{grid}</div>'


def _numbers(seen: _Seen, supports: Sequence[SupportOutcome]) -> list[tuple[str, str]]:
    numbers = [(whole(seen.count), "picture" if seen.count == 1 else "pictures")]
    if seen.count:
        numbers.append((whole(seen.absent), "where the class is probably absent"))
        numbers.append((f"{100 * median(seen.confidences):.0f}%", "median confidence"))
    if supports:
        weakest = min(supports, key=lambda one: one.iou)
        numbers.append((f"{100 * weakest.iou:.0f}%", f"self-consistency of the weakest example ({weakest.name})"))
    return numbers


def _verdict(seen: _Seen, supports: Sequence[SupportOutcome]) -> str:
    """What to do first, in a few sentences."""
    shown, weak = {one.name for one in supports}, sorted({one.name for one in supports if one.iou < WEAK_SUPPORT})
    lines = []
    if weak and len(shown) == 1:
        lines.append(
            "The example is not found again in altered copies of itself: its mask may be careless or too small, or "
            "this model is not up to it. Give another example, or several, before you use any mask."
        )
    elif weak and len(weak) == len(shown):
        lines.append(
            "No example agrees with the others: the masks may be careless, the things too different, or this model is "
            "not up to it. Check the examples before you use any mask."
        )
    elif weak:
        lines.append(f"Check first: {_listed(weak, len(weak))}; the mask disagrees with what the other examples say.")
    elif supports:
        lines.append("The examples agree." if len(shown) > 1 else "The example is found again in altered copies of it.")
    if seen.unlike:
        names = [one.name for one in seen.unlike]
        lines.append(f"What was marked in {_listed(names, seen.n_unlike)} hardly resembles the examples.")
    if seen.empty:
        lines.append(f"Nothing was found in {whole(seen.empty)} of {whole(seen.count)} pictures.")
    return " ".join(lines) or "Nothing to report."


def _listed(names: Sequence[str], count: int) -> str:
    """The first of so many names."""
    rest = count - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _support_card(one: SupportOutcome) -> Card:
    note = f"{one.class_name}; {one.how}" if one.how else one.class_name
    warning = "doubtful example" if one.iou < WEAK_SUPPORT else ""
    return Card(_small(one.overlay), one.name, one.iou, "IoU", note, warning)


def _picture_card(one: PictureOutcome) -> Card:
    shares = ", ".join(f"{name} {_share(share)}" for name, share in one.classes.items() if share > 0)
    note = shares if len(one.classes) > 1 else f"{_share(one.foreground)} of the picture"
    return Card(_small(one.overlay), one.name, one.confidence, "confidence", note, _warning(one))


def _warning(one: PictureOutcome) -> str:
    if not one.foreground:
        return "nothing found"
    return "class probably absent" if one.absent else ""


def _share(share: float) -> str:
    """A share of the pixels; little is not nothing."""
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _table(ranked: Sequence[PictureOutcome]) -> Table:
    names = list(dict.fromkeys(name for one in ranked for name in one.classes))
    columns = [text_column("picture"), percent_column("confidence, %"), percent_column("of the picture, %")]
    columns += [percent_column(f"{name}, %") for name in names] if len(names) > 1 else []
    rows = [
        [one.name, one.confidence, one.foreground]
        + ([one.classes.get(name) for name in names] if len(names) > 1 else [])
        + [_warning(one)]
        for one in ranked
    ]
    return Table([*columns, text_column("note")], rows)


def _small(overlay: np.ndarray | Path) -> np.ndarray:
    """The overlay no larger than a card needs."""
    if isinstance(overlay, Path):
        try:
            with Image.open(overlay) as file:
                file.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))
                overlay = np.asarray(file.convert("RGB"))
        except (OSError, Image.DecompressionBombError) as error:
            raise InputError(f"the overlay {overlay} cannot be read ({error}); segment the picture again") from error
    if max(overlay.shape[:2]) <= THUMBNAIL:
        return overlay
    return resize_image(overlay, fitted_size(overlay.shape, (THUMBNAIL, THUMBNAIL)))
