"""Label maps drawn: every class in its colour, the background untouched, names where there are several."""

import numpy as np

from sccan.report.label_overlay import class_colour, label_overlay

IMAGE = np.full((80, 120, 3), 100, np.uint8)


def test_classes_are_tinted_in_their_colours_and_the_rest_is_left() -> None:
    labels = np.zeros((80, 120), np.uint8)
    labels[10:30, 60:80], labels[50:70, 60:80] = 1, 2
    drawn = label_overlay(IMAGE, labels, ["disc", "moon"])
    for number, row in ((1, 20), (2, 60)):
        want = np.rint(0.5 * IMAGE[0, 0] + 0.5 * np.array(class_colour(number)))
        assert np.abs(drawn[row, 70] - want).max() <= 1
    assert (drawn[40:, :50] == 100).all()  # below the names
    assert class_colour(1) == class_colour(7)


def test_names_are_written_for_several_classes_and_only_those_that_are_there() -> None:
    labels = np.zeros((80, 120), np.uint8)
    labels[60:, 100:] = 1
    alone = label_overlay(IMAGE, labels, ["disc"])
    assert (alone[:40, :40] == 100).all()
    named = label_overlay(IMAGE, labels, ["disc", "moon"])
    assert (named[:12, :12] != 100).any()
    assert (named[:12, :12] == np.array(class_colour(1))).all(-1).any()
    assert not (named == np.array(class_colour(2))).all(-1).any()


def test_an_empty_label_map_gives_a_copy() -> None:
    drawn = label_overlay(IMAGE, np.zeros((80, 120), np.uint8), ["disc", "moon"])
    np.testing.assert_array_equal(drawn, IMAGE)
    drawn[0] = 0
    assert (IMAGE == 100).all()
