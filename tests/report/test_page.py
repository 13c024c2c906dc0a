"""The HTML page: well-formed, self-contained, and everything from outside escaped."""

import base64
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from sccan.report.charts import Bar, Curve, bar_chart, line_chart
from sccan.report.page import (
    Chart,
    Gallery,
    Headline,
    Page,
    Panel,
    Paragraph,
    Section,
    Settings,
    Strip,
    TableBlock,
    flattened,
    is_page,
)
from sccan.report.sheets import LegendEntry
from sccan.report.tables import Table, percent_column, text_column

VOID = {"meta", "img", "br", "hr", "link", "input"}
EVIL = "</title><script>alert('x')</script>\"'&<b>"
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)


class Reader(HTMLParser):
    """Checks that tags nest, and collects what a page shows and what it refers to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


def full_page(words: str) -> str:
    table = Table([text_column(words), percent_column("IoU")], [[words, 0.5], ["b", None]], frozenset({0}), note=words)
    strip = Strip(words, words, [Panel([PICTURE], words, words), Panel([PICTURE] * 5, "5 supports", words)])
    bars, curve = [Bar(words, 0.5, 0.1, words)], Curve(words, [0, 1], [0, 1])
    blocks = [
        Headline([(words, words)]),
        Paragraph(words),
        TableBlock(table),
        Settings({words: {"INNER": words}}, words),
        Chart(bar_chart(bars, words), words),
        Chart(line_chart([curve], label=words, x_label=words), words, [words]),
        Gallery([strip], [LegendEntry(words, (1, 2, 3)), LegendEntry("missed", (4, 5, 6), hatched=True)]),
    ]
    return Page(words, [Section(words, blocks), Section("b"), Section("c")], subtitle=words).render()


def test_page_is_well_formed_and_refers_to_nothing_outside() -> None:
    html = full_page("harmless")
    page = read(html)
    addresses = [value for _, attributes in page.seen for name, value in attributes.items() if name in ("src", "href")]
    assert all(address and re.match(r"data:image/webp;base64,|#section-\d$", address) for address in addresses)
    assert not page.all("link")
    assert not page.all("script")
    assert "url(" not in html
    assert "@import" not in html
    assert "http" not in html
    assert {attributes["id"] for attributes in page.all("section")} == {"section-1", "section-2", "section-3"}


def test_everything_from_outside_is_escaped() -> None:
    page, harmless = read(full_page(EVIL)), read(full_page("harmless"))
    assert [tag for tag, _ in page.seen] == [tag for tag, _ in harmless.seen]
    for (_, ours), (_, theirs) in zip(page.seen, harmless.seen, strict=True):
        assert ours.keys() == theirs.keys()
    shown = "".join(page.text)
    assert shown.count(EVIL) >= 10


def test_page_follows_the_reader_s_colours_and_screen() -> None:
    html = full_page("x")
    assert "prefers-color-scheme: dark" in html
    names = {attributes.get("name") for attributes in read(html).all("meta")}
    assert {"viewport", "color-scheme"} <= names


def test_numbers_stand_right_and_emphasised_rows_are_marked() -> None:
    table = Table([text_column("m"), percent_column("IoU")], [["a", 0.51234], ["b", None]], frozenset({1}))
    html = TableBlock(table).html()
    assert '<th class="right">IoU</th>' in html
    assert '<tr><td>a</td><td class="right">51.23</td></tr>' in html
    assert '<tr class="emphasised"><td>b</td><td class="right">–</td></tr>' in html


def test_pictures_are_inlined_with_their_size() -> None:
    images = read(Gallery([Strip("a", "b", [Panel([PICTURE], "query")])]).html()).all("img")
    source = images[0]["src"]
    assert source is not None
    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    assert picture.size == (36, 24)
    assert (images[0]["width"], images[0]["height"], images[0]["alt"]) == ("36", "24", "query")
    assert np.abs(np.asarray(picture.convert("RGB")).astype(int).mean() - PICTURE.mean()) < 8


def test_nested_settings_become_dotted_names() -> None:
    assert flattened({"A": {"B": {"C": 1}, "D": [1, 2]}, "E": None}) == [("A.B.C", 1), ("A.D", [1, 2]), ("E", None)]
    assert "<details open>" in Settings({"A": 1}, unfolded=True).html()


def test_a_short_page_has_no_list_of_sections() -> None:
    assert "<nav>" not in Page("x", [Section("a"), Section("b")]).render()


def test_a_pipe_that_is_called_like_a_page_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.html")
    assert not is_page(tmp_path / "report.html")
