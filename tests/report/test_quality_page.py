"""The quality report shows the worst first, says what to do, and stands alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.report.quality_page import (
    LARGEST_GALLERY,
    LARGEST_LIST,
    THUMBNAIL,
    PictureOutcome,
    SupportOutcome,
    quality_page,
    write_quality_page,
)
from sccan.report.tables import whole
from tests.kept_memory import kept_per_item

GREY = np.full((30, 44, 3), 120, np.uint8)


def _picture(name: str, confidence: float, *, absent: bool = False, foreground: float = 0.2) -> PictureOutcome:
    return PictureOutcome(name, GREY, confidence, foreground, absent, {"leaf": foreground})


def _support(name: str, iou: float) -> SupportOutcome:
    return SupportOutcome(name, "leaf", iou, GREY, "predicted from each of 2 others")


def _html(pictures: list[PictureOutcome], supports: list[SupportOutcome]) -> str:
    return quality_page(pictures, supports, title="Masks", facts={"model": "a.safetensors"}).render()


def _order(html: str) -> list[str]:
    return re.findall(r'<figcaption title="([^"]*)">', html)


def test_the_worst_come_first() -> None:
    pictures = [_picture("sure", 0.9), _picture("unsure", 0.3), _picture("other", 0.95, absent=True)]
    html = _html(pictures, [_support("good", 0.8), _support("bad", 0.1)])
    assert _order(html) == ["bad", "good", "other", "unsure", "sure"]
    assert html.count("doubtful example") == 1
    assert html.count('<b class="badge">class probably absent</b>') == 1
    assert "Check first: bad; the mask disagrees" in html
    assert "What was marked in other hardly resembles the examples." in html


@pytest.mark.parametrize(
    ("supports", "sentence"),
    [
        ([_support("a", 0.9), _support("b", 0.8)], "The examples agree."),
        ([_support("a", 0.9)], "The example is found again in altered copies of it."),
        ([_support("a", 0.1)], "The example is not found again"),
        ([_support("a", 0.1), _support("b", 0.2)], "No example agrees with the others"),
    ],
)
def test_the_verdict_is_a_sentence(supports: list[SupportOutcome], sentence: str) -> None:
    assert sentence in _html([_picture("one", 0.5)], supports)


def test_pictures_where_nothing_was_found_are_told_from_unlike_ones() -> None:
    html = _html([_picture("empty", 0.0, absent=True, foreground=0.0), _picture("sure", 0.9)], [])
    assert "nothing found" in html
    assert "class probably absent</b>" not in html
    assert "Nothing was found in 1 of 2 pictures." in html


def test_the_page_stands_alone_and_escapes_names() -> None:
    html = _html([_picture('<script>"x"', 0.5)], [_support("<b>", 0.6)])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert "a.safetensors" in html


def test_overlays_are_read_from_files_and_made_small(tmp_path: Path) -> None:
    Image.fromarray(np.full((900, 1500, 3), 90, np.uint8)).save(tmp_path / "overlay.jpg")
    one = PictureOutcome("photo", tmp_path / "overlay.jpg", 0.5, 0.1, False)
    path = write_quality_page(tmp_path / "report.html", [one], [], title="Masks", facts={})
    assert f'width="{THUMBNAIL}" height="240"' in path.read_text()
    (tmp_path / "overlay.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"overlay .*overlay\.jpg cannot be read.*segment the picture again"):
        write_quality_page(tmp_path / "other.html", [one], [], title="Masks", facts={})
    assert not (tmp_path / "other.html").exists()


def test_only_the_doubtful_of_many_pictures_are_shown_and_all_are_listed() -> None:
    pictures = [_picture(f"p{number:04}", number / 1000) for number in range(LARGEST_GALLERY + 20)]
    html = _html(pictures, [])
    assert len(_order(html)) == LARGEST_GALLERY
    assert "The 20 most confident pictures stand in the list." in html
    assert html.count("<td>p0") == len(pictures)


def test_of_very_many_pictures_the_worst_are_kept_and_the_numbers_of_all() -> None:
    """A picture with its name and its shares would take some 800 bytes."""
    count, pages = 3 * LARGEST_LIST, []
    confidences = np.random.default_rng(0).permutation(count) / count
    pictures = (
        _picture(f"p{number:05}", confidence, absent=number % 1000 == 7, foreground=number % 500 and 0.3)
        for number, confidence in enumerate(confidences.tolist())
    )

    def page(pictures: Iterator[PictureOutcome]) -> None:
        pages.append(quality_page(pictures, [], title="Masks", facts={}).render())

    assert kept_per_item(pictures, page, between=(LARGEST_LIST + 500, count - 1)) < 30
    (html,) = pages
    assert "<h1>Masks in 6000 pictures</h1>" in html
    assert f"The {whole(2 * LARGEST_LIST)} most confident pictures stand in summary.csv alone." in html
    assert "<strong>50%</strong>" in html
    assert "Nothing was found in 12 of 6" in html
    listed = re.findall(r"<td>(p\d+)", html)
    unlike, others = list(range(7, count, 1000)), [number for number in range(count) if number % 1000 != 7]
    ranked = [*sorted(unlike, key=confidences.__getitem__), *sorted(others, key=confidences.__getitem__)]
    assert listed == [f"p{number:05}" for number in ranked[:LARGEST_LIST]]
    assert f"marked in {', '.join(listed[:5])} and 1 more hardly" in html


def test_several_classes_have_shares_of_their_own() -> None:
    one = PictureOutcome("photo", GREY, 0.5, 0.3, False, {"leaf": 0.25, "stem": 0.0005, "root": 0.0})
    html = _html([one], [])
    assert "leaf 25.0 %, stem &lt; 0.1 %" in html
    assert "root, %" in html


def test_an_empty_report_can_be_written() -> None:
    assert "Nothing to report." in _html([], [])
