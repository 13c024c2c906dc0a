"""One self-contained HTML page: text, tables, charts and pictures in a single file without any outside reference.

A page is data: sections of blocks, each of which knows its own HTML. Whatever comes from outside (names of classes,
files and settings) is escaped; only `charts` hands over finished markup.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sccan.report.pictures import Colour, encode
from sccan.report.sheets import mosaic_grid
from sccan.report.style import MARK, STYLE
from sccan.report.tables import Table


class Block(Protocol):
    """A part of a section."""

    def html(self) -> str:
        """Finished markup, with everything from outside escaped."""


@dataclass(frozen=True)
class Section:
    """A heading with blocks below it."""

    title: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Page:
    """A page; `render` gives the text of the file."""

    title: str
    sections: Sequence[Section] = field(default_factory=list)
    subtitle: str = ""

    def render(self) -> str:
        """The whole page as HTML text."""
        anchors = [f"section-{number}" for number in range(1, len(self.sections) + 1)]
        links = [
            f'<a href="#{anchor}">{escape(section.title)}</a>'
            for anchor, section in zip(anchors, self.sections, strict=True)
        ]
        body = [f"<h1>{escape(self.title)}</h1>"]
        body += [f'<p class="subtitle">{escape(self.subtitle)}</p>'] if self.subtitle else []
        body += [f"<nav>{' '.join(links)}</nav>"] if len(links) > 2 else []
        for anchor, section in zip(anchors, self.sections, strict=True):
            body.append(f'<section id="{anchor}">\n<h2>{escape(section.title)}</h2>')
            body += [block.html() for block in section.blocks]
            body.append("</section>")
        return "\n".join([_head(self.title), "<body>", "<main>", *body, "</main>", "</body>", "</html>"]) + "\n"


@dataclass(frozen=True)
class Paragraph:
    """Plain text; an empty line starts a new paragraph."""

    text: str

    def html(self) -> str:
        return "\n".join(f"<p>{escape(part.strip())}</p>" for part in self.text.split("\n\n") if part.strip())


@dataclass(frozen=True)
class Headline:
    """Numbers that a reader should see first, each large over its meaning: (number, meaning)."""

    numbers: Sequence[tuple[str, str]]

    def html(self) -> str:
        cards = [
            f"<div><strong>{escape(value)}</strong><span>{escape(name)}</span></div>" for value, name in self.numbers
        ]
        return f'<div class="headline">{"".join(cards)}</div>'


@dataclass(frozen=True)
class TableBlock:
    """A table of results; it scrolls sideways inside the page where the screen is narrow."""

    table: Table

    def html(self) -> str:
        sides = [' class="right"' if column.align == "right" else "" for column in self.table.columns]
        heads = [f"<th{side}>{escape(c.title)}</th>" for side, c in zip(sides, self.table.columns, strict=True)]
        lines = ['<div class="scroll"><table>', f"<thead><tr>{''.join(heads)}</tr></thead>", "<tbody>"]
        for number, row in enumerate(self.table.cells()):
            cells = [f"<td{side}>{escape(cell)}</td>" for side, cell in zip(sides, row, strict=True)]
            opening = '<tr class="emphasised">' if number in self.table.emphasised else "<tr>"
            lines.append(f"{opening}{''.join(cells)}</tr>")
        lines.append("</tbody></table></div>")
        if self.table.note:
            lines.append(f'<p class="note">{escape(self.table.note)}</p>')
        return "\n".join(lines)


@dataclass(frozen=True)
class Settings:
    """Names and values, such as a merged config, folded away under a summary until somebody wants to see them.

    Attributes:
        values: nested plain data; inner names are joined by dots.
        summary: the line that unfolds the table.
        unfolded: whether the table is open from the start.
    """

    values: dict[str, Any]
    summary: str = "Settings"
    unfolded: bool = False

    def html(self) -> str:
        rows = [
            f"<tr><td>{escape(name)}</td><td><code>{escape(str(value))}</code></td></tr>"
            for name, value in flattened(self.values)
        ]
        opening = "<details open>" if self.unfolded else "<details>"
        table = f'<div class="scroll"><table class="settings"><tbody>{"".join(rows)}</tbody></table></div>'
        return f"{opening}<summary>{escape(self.summary)}</summary>{table}</details>"


@dataclass(frozen=True)
class Chart:
    """A chart of `sccan.report.charts`.

    Attributes:
        svg: its markup.
        caption: line below it.
        legend: names of its curves, in their order; empty where there is nothing to tell apart.
    """

    svg: str
    caption: str = ""
    legend: Sequence[str] = ()

    def html(self) -> str:
        keys = [f'<span><i class="key line{n % 4}"></i>{escape(name)}</span>' for n, name in enumerate(self.legend)]
        legend = f'<div class="legend">{"".join(keys)}</div>' if keys else ""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f"<figure>{legend}{self.svg}{caption}</figure>"


@dataclass(frozen=True)
class Panel:
    """Pictures (RGB uint8 [H, W, 3]) under one name and over one caption; several stand in a panel half as wide again.

    Attributes:
        images: the pictures, usually one.
        name: what they are.
        caption: a line below.
    """

    images: Sequence[np.ndarray]
    name: str
    caption: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether there are several pictures."""
        return len(self.images) > 1

    def html(self) -> str:
        name, caption = escape(self.name), escape(self.caption)
        pictures = "".join(
            f'<img src="{inlined(image)}" width="{image.shape[1]}" height="{image.shape[0]}" alt="{name}" '
            'loading="lazy">'
            for image in self.images
        )
        if self.is_wide:
            per_row, _ = mosaic_grid(len(self.images), (200, 300))
            pictures = f'<div class="mosaic" style="--per-row:{per_row}">{pictures}</div>'
        return (
            f'<figure class="tile{" wide" if self.is_wide else ""}"><figcaption>{name}</figcaption>{pictures}'
            f'<span class="caption" title="{caption}">{caption}</span></figure>'
        )


@dataclass(frozen=True)
class Strip:
    """Pictures that belong together, side by side where the screen is wide enough, in panels of one height."""

    heading: str
    text: str
    panels: Sequence[Panel]

    def html(self) -> str:
        head = f'<p class="strip-head"><strong>{escape(self.heading)}</strong> {escape(self.text)}</p>'
        tiles = "\n".join(panel.html() for panel in self.panels)
        columns = " ".join("1.5fr" if panel.is_wide else "1fr" for panel in self.panels)
        return f'<article class="strip">{head}\n<div class="tiles" style="--columns:{columns}">{tiles}</div></article>'


@dataclass(frozen=True)
class Gallery:
    """Strips below each other under one legend; entries of the legend have `name`, `colour` and `hatched`."""

    strips: Sequence[Strip]
    legend: Sequence["LegendLike"] = ()

    def html(self) -> str:
        keys = [f'<span><i class="key" style="{_swatch(e)}"></i>{escape(e.name)}</span>' for e in self.legend]
        legend = f'<div class="legend">{"".join(keys)}</div>' if keys else ""
        return "\n".join([legend, *(strip.html() for strip in self.strips)])


class LegendLike(Protocol):
    """What a colour stands for."""

    @property
    def name(self) -> str: ...

    @property
    def colour(self) -> Colour: ...

    @property
    def hatched(self) -> bool: ...


def flattened(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested dictionaries as a flat list of (dotted name, value), in their order."""
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        flat += flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return flat


def is_page(path: Path) -> bool:
    """Whether a file is a page of ours, of this version or an earlier one."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return MARK in file.read(2048)
    except OSError:
        return False


def inlined(image: np.ndarray) -> str:
    """A picture as a data address that stands in the page itself."""
    return f"data:image/webp;base64,{base64.b64encode(encode(image, 'webp')).decode('ascii')}"


def _head(title: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>"""


def _swatch(entry: LegendLike) -> str:
    red, green, blue = entry.colour
    colour = f"rgb({red},{green},{blue})"
    if entry.hatched:
        return f"background:repeating-linear-gradient(135deg,{colour} 0 3px,transparent 3px 6px)"
    return f"background:{colour}"
