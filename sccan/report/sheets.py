"""Contact sheets: rows of picture tiles with captions, headings and a legend, on one white page.

Everything that is drawn as text goes through `printable` and `shortened`, so that captions fit whatever they say.
"""

import functools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sccan.report.pictures import Colour, hatch, resize_image

PAPER, PANEL, RULE = (255, 255, 255), (243, 244, 246), (222, 225, 230)
INK, FAINT = (28, 32, 38), (96, 103, 112)
TITLE_SIZE, HEADING_SIZE, TEXT_SIZE, CAPTION_SIZE = 22, 17, 14, 12
MARGIN, GAP, MOSAIC_GAP = 24, 12, 4


@dataclass(frozen=True)
class Tile:
    """A picture with a line below it.

    Attributes:
        image: RGB uint8, [H, W, 3].
        caption: the line below.
        breadth: width of the panel in units of its height.
    """

    image: np.ndarray
    caption: str = ""
    breadth: float = 1.0


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its tiles, and at the right a large heading over some lines of text."""

    tiles: Sequence[Tile]
    heading: str = ""
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class LegendEntry:
    """What a colour, solid or hatched, stands for."""

    name: str
    colour: Colour
    hatched: bool = False


def sheet(
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    title: str = "",
    legend: Sequence[LegendEntry] = (),
    tile: int = 208,
    text_width: int = 176,
) -> np.ndarray:
    """Draws the rows below each other under shared column headings.

    Args:
        rows: each with as many tiles as there are columns.
        columns: headings; the last one may stand over the text at the right.
        title: line at the top.
        legend: meaning of the colours, drawn at the bottom.
        tile: height of the panels that the pictures are fitted into, in pixels.
        text_width: width of the text at the right, in pixels.

    Returns:
        RGB uint8, [H, W, 3].
    """
    n_tiles = max((len(row.tiles) for row in rows), default=0)
    if any(len(row.tiles) != n_tiles for row in rows) or len(columns) not in (n_tiles, n_tiles + 1):
        raise ValueError(f"{len(columns)} columns do not fit rows of {[len(row.tiles) for row in rows]} tiles")
    has_text = any(row.heading or row.lines for row in rows)
    widths = [round(tile * max(row.tiles[number].breadth for row in rows)) for number in range(n_tiles)]
    lefts = [MARGIN + sum(widths[:number]) + number * GAP for number in range(n_tiles + 1)]
    width = lefts[-1] + (text_width if has_text else -GAP) + MARGIN
    row_height = tile + CAPTION_SIZE + GAP + 12
    top = MARGIN + (TITLE_SIZE + 18 if title else 0)
    height = top + TEXT_SIZE + 12 + len(rows) * row_height + (TEXT_SIZE + GAP if legend else 0) + MARGIN // 2
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    if title:
        write(pen, (MARGIN, MARGIN), title, TITLE_SIZE, INK, width - 2 * MARGIN)
    for left, column, room in zip(lefts, columns, [*widths, text_width], strict=False):
        write(pen, (left, top), column, TEXT_SIZE, FAINT, room)
    for number, row in enumerate(rows):
        y = top + TEXT_SIZE + 12 + number * row_height
        for left, room, cell in zip(lefts, widths, row.tiles, strict=False):
            canvas.paste(Image.fromarray(fit(cell.image, (tile, room))), (left, y))
            write(pen, (left, y + tile + 5), cell.caption, CAPTION_SIZE, FAINT, room)
        write(pen, (lefts[-1], y), row.heading, HEADING_SIZE, INK, text_width)
        for line_number, line in enumerate(row.lines):
            place = lefts[-1], y + HEADING_SIZE + 10 + line_number * (TEXT_SIZE + 6)
            write(pen, place, line, TEXT_SIZE, FAINT, text_width)
    if legend:
        _draw_legend(canvas, legend, height - MARGIN // 2 - TEXT_SIZE - 6, width)
    return np.asarray(canvas)


def fit(image: np.ndarray, room: tuple[int, int]) -> np.ndarray:
    """The picture as large as it can be inside a panel of `room` (height, width), centred."""
    size = fitted_size(image.shape, room)
    if size != image.shape[:2]:
        image = resize_image(image, size)
    panel = np.full((*room, 3), PANEL, np.uint8)
    top, left = (room[0] - size[0]) // 2, (room[1] - size[1]) // 2
    panel[top : top + size[0], left : left + size[1]] = image
    return panel


def fitted_size(size: tuple[int, ...], room: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width with the proportions of `size` that fit into `room`, never less than a pixel."""
    height, width = size[:2]
    scale = min(room[0] / height, room[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def mosaic(images: Sequence[np.ndarray], room: tuple[int, int]) -> np.ndarray:
    """Several pictures as small square tiles of one panel of `room` (height, width), row by row."""
    per_row, side = mosaic_grid(len(images), room)
    n_rows = math.ceil(len(images) / per_row)
    panel = np.full((*room, 3), PAPER, np.uint8)
    first_top = (room[0] - n_rows * side - (n_rows - 1) * MOSAIC_GAP) // 2
    for number, image in enumerate(images):
        top = first_top + number // per_row * (side + MOSAIC_GAP)
        left = number % per_row * (side + MOSAIC_GAP)
        panel[top : top + side, left : left + side] = fit(image, (side, side))
    return panel


def mosaic_grid(n_images: int, room: tuple[int, int]) -> tuple[int, int]:
    """How many small tiles stand side by side, and their side in pixels: the grid with the largest tiles."""

    def side(per_row: int) -> int:
        n_rows = math.ceil(n_images / per_row)
        return min((room[0] + MOSAIC_GAP) // n_rows, (room[1] + MOSAIC_GAP) // per_row) - MOSAIC_GAP

    per_row = max(range(1, n_images + 1), key=side)
    return per_row, max(1, side(per_row))


def write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, ink: Colour, width: int) -> None:
    """Writes one line with its top left corner at `place` (x, y), shortened to `width` pixels."""
    pen.text(place, shortened(printable(text), size, width), fill=ink, font=font(size))


def shortened(text: str, size: int, width: int) -> str:
    """The text, or as much of its start and end as fits into `width` pixels, with dots between.

    The end stays because the names of pictures differ there.
    """
    if font(size).getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        short = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
        if font(size).getlength(short) <= width:
            return short
    return "…"


def printable(text: str) -> str:
    """The text in the characters of the built-in font: accents are dropped, other scripts become question marks."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = plain.replace("–", "-").replace("×", "x").replace("\n", " ")
    return "".join(c if (c.isascii() and c.isprintable()) or c in "±·…" else "?" for c in plain)


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font, which is there on every machine."""
    return ImageFont.load_default(size)


def _draw_legend(canvas: Image.Image, legend: Sequence[LegendEntry], y: int, width: int) -> None:
    pen = ImageDraw.Draw(canvas)
    x, side = MARGIN, TEXT_SIZE + 2
    for entry in legend:
        swatch = np.full((side, side, 3), PANEL if entry.hatched else entry.colour, np.uint8)
        if entry.hatched:
            swatch = hatch(swatch, np.ones((side, side), bool), entry.colour, opacity=1.0)
        canvas.paste(Image.fromarray(swatch), (x, y))
        pen.rectangle((x, y, x + side - 1, y + side - 1), outline=FAINT)
        write(pen, (x + side + 6, y + 1), entry.name, TEXT_SIZE, INK, width - x - side - MARGIN)
        x += side + 6 + math.ceil(font(TEXT_SIZE).getlength(entry.name)) + 22
