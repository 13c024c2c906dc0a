"""Tables as text, Markdown and CSV, and how numbers are written."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sccan.report.tables import (
    Table,
    count_column,
    display_width,
    duration,
    interval_column,
    percent,
    percent_column,
    percent_interval,
    text_column,
    whole,
)

TABLE = Table(
    [text_column("method"), interval_column("mIoU"), percent_column("FB-IoU"), count_column("episodes")],
    [
        ["all | foreground", (0.07, None), 0.3, 1000],
        ["SCCAN", (0.62504, 0.0123), 0.75, 25000],
        ["published", None, None, None],
    ],
    emphasised=frozenset({1}),
    note="five seeds",
)


def test_a_row_is_a_line_whatever_its_text_holds() -> None:
    table = Table([text_column("class"), count_column("pictures")], [["cat\nerror: no dog\x1b[2J", 3]])
    assert table.text().splitlines()[2] == r"cat\nerror: no dog\x1b[2J         3"


def test_text_is_aligned_and_marks_what_counts() -> None:
    assert TABLE.text().splitlines() == [
        "method                    mIoU  FB-IoU  episodes",
        "----------------  ------------  ------  --------",
        "all | foreground          7.00   30.00      1000",
        "SCCAN             62.50 ± 1.23   75.00    25\N{NARROW NO-BREAK SPACE}000  *",
        "published                    –       –         –",
        "",
        "five seeds",
    ]


def test_markdown_is_aligned_escaped_and_bold_where_it_counts() -> None:
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "| method            |             mIoU |    FB-IoU |   episodes |"
    assert lines[1] == "| ----------------- | ---------------: | --------: | ---------: |"
    assert lines[2] == r"| all \| foreground |             7.00 |     30.00 |       1000 |"
    assert lines[3].startswith("| **SCCAN**         | **62.50 ± 1.23** | **75.00** | **25")
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[-1] == "five seeds"


def test_csv_keeps_every_digit_and_splits_intervals() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows == [
        ["method", "mIoU", "mIoU half-width", "FB-IoU", "episodes"],
        ["all | foreground", "0.07", "", "0.3", "1000"],
        ["SCCAN", "0.62504", "0.0123", "0.75", "25000"],
        ["published", "", "", "", ""],
    ]


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has 1 values for 2 columns"):
        Table([text_column("a"), text_column("b")], [["x", "y"], ["z"]])


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["C", "Z"])), min_size=2, max_size=2), max_size=4))
def test_columns_of_any_script_start_at_the_same_place(rows: list[list[str]]) -> None:
    lines = Table([text_column("left"), text_column("right")], rows).text().splitlines()
    width = max([4, *(display_width(row[0]) for row in rows)])
    for line, row in zip(lines[2:], rows, strict=True):
        assert line == f"{row[0]}{' ' * (width - display_width(row[0]))}  {row[1]}".rstrip()


def test_wide_characters_count_twice_and_accents_not_at_all() -> None:
    assert display_width("犬 ab") == 5
    assert display_width("e\N{COMBINING ACUTE ACCENT}") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (303, "5 min 03 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers() -> None:
    assert percent(0.58231) == "58.23"
    assert percent_interval(0.58231, 0.012) == "58.23 ± 1.20"
    assert percent_interval(0.58231, None) == "58.23"
    assert (whole(1234), whole(12345), whole(-1234567)) == ("1234", "12\u202f345", "-1\u202f234\u202f567")
