"""Tables of results: as aligned text, as Markdown and as CSV, from one description; and how numbers are written."""

import csv
import io
import itertools
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sccan.files.plain import plain

ABSENT = "–"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: heading.
        write: turns a value of this column into what a reader sees; None is written as a dash without asking it.
        align: where the cells stand; numbers belong to the right.
        fields: headings of the CSV fields where the values are tuples; empty for a single value under `title`.
    """

    title: str
    write: Callable[[Any], str] = str
    align: Literal["left", "right"] = "left"
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of plain values with one description per column.

    Attributes:
        columns: the columns, left to right.
        rows: one value per column; None where there is nothing to say.
        emphasised: numbers of the rows that a reader should see first.
        note: a sentence below the table.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    emphasised: frozenset[int] = frozenset()
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} values for {len(self.columns)} columns: {row}")

    def cells(self) -> list[list[str]]:
        """What a reader sees of every row, without the headings."""
        return [
            [ABSENT if value is None else column.write(value) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]

    def text(self) -> str:
        """Aligned columns for a terminal, a line for each row; emphasised rows carry a star."""
        titles = [column.title for column in self.columns]
        cells = [[plain(cell) for cell in row] for row in self.cells()]
        marks = ["*" if number in self.emphasised else " " for number in range(len(self.rows))]
        widths = [max(map(display_width, column)) for column in zip(titles, *cells, strict=True)]
        lines = [self._line(titles, widths, "  "), "  ".join("-" * width for width in widths)]
        lines += [
            self._line(row, widths, "  ") + (f"  {mark}" if self.emphasised else "")
            for row, mark in zip(cells, marks, strict=True)
        ]
        if self.note:
            lines += ["", self.note]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def markdown(self) -> str:
        """A Markdown table whose source is aligned too; emphasised rows are bold."""
        titles = [_markdown_cell(column.title) for column in self.columns]
        rows = [[_markdown_cell(cell) for cell in row] for row in self.cells()]
        rows = [[f"**{c}**" for c in row] if number in self.emphasised else row for number, row in enumerate(rows)]
        widths = [max(3, *map(display_width, column)) for column in zip(titles, *rows, strict=True)]
        rule = [
            "-" * (width - 1) + ":" if column.align == "right" else "-" * width
            for column, width in zip(self.columns, widths, strict=True)
        ]
        lines = [f"| {self._line(row, widths, ' | ')} |" for row in (titles, rule, *rows)]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Comma-separated plain values (fractions stay fractions); None is an empty field."""
        header = [field for column in self.columns for field in column.fields or (column.title,)]
        return csv_text(header, [self._fields(row) for row in self.rows])

    def _fields(self, row: Sequence[Any]) -> list[Any]:
        fields: list[Any] = []
        for value, column in zip(row, self.columns, strict=True):
            if not column.fields:
                fields.append(value)
            else:
                fields += [None] * len(column.fields) if value is None else value
        return fields

    def _line(self, cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
        padded = []
        for cell, width, column in zip(cells, widths, self.columns, strict=True):
            blanks = " " * (width - display_width(cell))
            padded.append(blanks + cell if column.align == "right" else cell + blanks)
        return gap.join(padded)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Comma-separated values with a header line; None is an empty field, floats keep every digit.

    Text that a spreadsheet would take for a formula (``=1+1``) gets an apostrophe before it.
    """
    return "".join(csv_lines(header, rows))


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of `csv_text`, one after another."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in itertools.chain([header], rows):
        writer.writerow([_no_formula(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def without_apostrophe(cell: str) -> str:
    """A cell of `csv_text` as it was."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA else cell


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals and no sign: 0.58231 is ``58.23``."""
    return f"{100 * fraction:.2f}"


def percent_interval(mean: float, half_width: float | None) -> str:
    """A mean in percent with the half-width of its interval: ``58.23 ± 1.20``, or the mean alone without one."""
    return percent(mean) if half_width is None else f"{percent(mean)} ± {percent(half_width)}"


def whole(number: int) -> str:
    """An integer whose thousands are set apart by a narrow space from five digits on: 12345 is ``12\u202f345``."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(number) >= 10_000 else str(number)


def duration(seconds: float) -> str:
    """A duration at the precision a reader wants: ``0.8 s``, ``42 s``, ``5 min 03 s``, ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def text_column(title: str) -> Column:
    """A column of words."""
    return Column(title)


def percent_column(title: str) -> Column:
    """A column of fractions, written in percent."""
    return Column(title, percent, "right")


def count_column(title: str) -> Column:
    """A column of integers."""
    return Column(title, whole, "right")


def interval_column(title: str) -> Column:
    """A column of (mean, half-width or None) pairs of fractions, written in percent."""
    return Column(title, lambda pair: percent_interval(*pair), "right", (title, f"{title} half-width"))


def display_width(text: str) -> int:
    """Columns that `text` takes in a terminal: two for wide (East Asian) characters, none for combining marks."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _markdown_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
