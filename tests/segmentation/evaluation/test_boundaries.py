"""The boundary score: by hand, and what must hold for any two masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sccan.segmentation.evaluation.boundaries import TOLERANCE, boundary_f

MASKS = arrays(np.bool_, st.shared(st.tuples(st.integers(1, 24), st.integers(1, 24)), key="size"))


def _square(first: int, last: int, side: int = 100) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[first:last, first:last] = True
    return mask


def test_a_border_within_reach_is_right_and_beyond_it_is_wrong() -> None:
    label = _square(20, 60).astype(np.uint8)
    assert boundary_f(_square(20, 60), label) == 1
    assert boundary_f(_square(21, 59), label) == 1  # reach is 2 pixels of a diagonal of 141
    assert TOLERANCE * np.hypot(100, 100) < 2
    assert boundary_f(_square(26, 54), label) == 0


def test_precision_and_recall_by_hand() -> None:
    label, found = _square(20, 60).astype(np.uint8), _square(20, 60)
    found[80:90, 80:90] = True  # a second object that is not there: 36 border pixels beside 156 true ones
    precision = 156 / (156 + 36)
    assert boundary_f(found, label) == pytest.approx(2 * precision / (precision + 1))


def test_ignored_pixels_and_the_border_beside_them_do_not_count() -> None:
    label, found = _square(20, 60).astype(np.uint8), _square(20, 60)
    found[80:90, 80:90] = True
    label[76:94, 76:94] = 255
    assert boundary_f(found, label) == 1


def test_nothing_is_found_where_nothing_is() -> None:
    nothing = np.zeros((9, 9), np.uint8)
    assert boundary_f(nothing > 0, nothing) == 1
    assert boundary_f(_square(2, 5, 9), nothing) == 0
    assert boundary_f(nothing > 0, _square(2, 5, 9).astype(np.uint8)) == 0


@given(MASKS, MASKS)
@settings(max_examples=60, deadline=None)
def test_it_is_a_share_and_the_same_both_ways(one: np.ndarray, two: np.ndarray) -> None:
    value = boundary_f(one, two.astype(np.uint8))
    assert 0 <= value <= 1
    assert value == pytest.approx(boundary_f(two, one.astype(np.uint8)))
    assert boundary_f(one, one.astype(np.uint8)) == 1
    assert value == pytest.approx(boundary_f(one.T, two.T.astype(np.uint8)))
