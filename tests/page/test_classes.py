"""Classes: named once, renamed and taken away without touching a mask."""

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.page.classes import ClassList


def _classes(*names: str) -> ClassList:
    classes = ClassList()
    for name in names:
        classes.add(name)
    return classes


def test_numbers_stay_with_their_classes() -> None:
    classes = _classes("dog", "cat", "<b>bird</b>")
    classes.remove(2)
    classes.rename(1, " big\tdog ")
    assert classes.add("fish").number == 4, "the number of a class that was taken away is not given again"
    assert [(one.number, one.name) for one in classes.active] == [(1, "big dog"), (3, "<b>bird</b>"), (4, "fish")]
    assert classes.add("cat").number == 2, "named again it is back"
    assert classes.number_of("fish") == 4


def test_what_was_taken_away_shows_as_background() -> None:
    classes = _classes("dog", "cat", "bird")
    label = np.array([[0, 1, 2, 3, 255]], np.uint8)
    classes.remove(2)
    np.testing.assert_array_equal(classes.shown(label), [[0, 1, 0, 3, 255]])
    np.testing.assert_array_equal(classes.consecutive(label), [[0, 1, 0, 2, 255]])


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "needs a name"), ("a\x1b[31m", "printable"), ("x" * 81, "81 characters is too long"), ("dog", "already")],
)
def test_unfit_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _classes("dog").add(name)
    with pytest.raises(InputError, match=message):
        _classes("cat", "dog").rename(1, name)


def test_a_class_that_is_gone_cannot_be_changed() -> None:
    classes = _classes("dog")
    classes.remove(1)
    for change in (lambda: classes.remove(1), lambda: classes.rename(1, "cat"), lambda: classes.remove(7)):
        with pytest.raises(InputError, match="no such class any more"):
            change()


def test_no_more_classes_than_a_mask_can_hold() -> None:
    classes = _classes(*(f"class {number}" for number in range(254)))
    with pytest.raises(InputError, match="254 classes already"):
        classes.add("one more")
