"""The contact sheet of many pictures: the surest and the least sure of every class, and nothing kept of the others."""

import re
from collections.abc import Iterator

import numpy as np

from sccan.report.classified import LARGEST_SHEET, PER_STRIP, ContactSheet, Entry
from tests.kept_memory import kept_per_item

GREY = np.full((30, 44, 3), 120, np.uint8)
CLASSES = ["cat", "dog"]
HALF = LARGEST_SHEET // (2 * 3 * PER_STRIP) * PER_STRIP


def _entry(number: int, sure: float, label: str = "cat") -> Entry:
    return Entry(f"p{number:05}.jpg", label, [sure, 1 - sure], 0.5, "dog" if number == 3 else None)


def test_all_pictures_are_shown_the_surest_first_and_equals_in_their_order() -> None:
    entries = [_entry(number, 0.5 + number % 3 / 10) for number in range(7)] + [_entry(7, 0.4, "none of these")]
    page = ContactSheet(CLASSES, lambda name: GREY).page(entries)
    assert page.title == "8 pictures, 2 classes"
    assert [section.title for section in page.sections] == ["cat: 7", "none of these: 1", "No picture: 1"]
    html = page.render()
    order = sorted(range(7), key=lambda number: -(number % 3))
    assert list(dict.fromkeys(re.findall(r"p(\d{5})\.jpg", html))) == [f"{n:05}" for n in (*order, 7)]
    assert set(re.findall(r"\d+ %, is \w+", html)) == {"50 %, is dog"}


def test_of_very_many_the_surest_and_the_least_sure_are_shown_and_no_other_is_kept() -> None:
    count, pages = 6 * HALF, []
    sure = 0.5 + np.random.default_rng(0).permutation(count) / (2 * count)
    entries = (_entry(number, one) for number, one in enumerate(sure.tolist()))

    def page(entries: Iterator[Entry]) -> None:
        pages.append(ContactSheet(CLASSES, lambda name: GREY).page(entries).render())

    assert kept_per_item(entries, page, between=(4 * HALF, count - 1)) < 30
    shown = list(dict.fromkeys(re.findall(r"p(\d{5})\.jpg", pages[0])))
    ranked = [f"{number:05}" for number in np.argsort(-sure).tolist()]
    assert shown == ranked[:HALF] + ranked[-HALF:]
    assert (
        f"<p>{4 * HALF} pictures between the surest and the least sure stand in classified.csv alone.</p>" in pages[0]
    )
