"""Tiles cover everything, their weights add to one, and where they agree no seam shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.finding.tiles import spans, tiles

SIDES = st.integers(1, 120)
TILES = st.integers(5, 60)
OVERLAPS = st.floats(0, 0.6)


def test_two_tiles_by_hand() -> None:
    first, second = spans(7, 4, overlap=0.25)
    assert (first.start, second.start) == (0, 3)
    # One shared position, where either ramp is at a half of its height.
    np.testing.assert_allclose(first.weights, [1, 1, 1, 0.5])
    np.testing.assert_allclose(second.weights, [0.5, 1, 1, 1])


def test_a_picture_no_larger_than_a_tile_is_not_cut() -> None:
    assert [len(span.weights) for span in spans(30, 30)] == [30]
    assert [len(span.weights) for span in spans(30, 0)] == [30]
    assert len(spans(31, 30)) == 2


@settings(deadline=None, max_examples=50)
@given(SIDES, TILES, OVERLAPS)
def test_weights_of_an_axis_add_to_one_and_tiles_have_one_size(length: int, tile: int, overlap: float) -> None:
    total = np.zeros(length)
    found = spans(length, tile, overlap)
    for span in found:
        assert len(span.weights) == min(tile, length)
        assert 0 < span.weights.min() <= span.weights.max() <= 1 + 1e-6
        total[span.slice] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(SIDES, SIDES, TILES, OVERLAPS, st.integers(0, 2**32 - 1))
def test_tiles_that_agree_blend_into_what_they_agree_on(
    height: int, width: int, tile: int, overlap: float, seed: int
) -> None:
    maps = np.random.default_rng(seed).random((2, height, width), dtype=np.float32)
    blended = np.zeros_like(maps)
    for one in tiles((height, width), tile, overlap):
        one.add(one.cut(maps.transpose(1, 2, 0)).transpose(2, 0, 1), blended)
    np.testing.assert_allclose(blended, maps, atol=1e-5)


def test_tiles_that_disagree_blend_without_a_step() -> None:
    blended = np.zeros((1, 40, 100), np.float32)
    for number, one in enumerate(tiles((40, 100), 40, overlap=0.5)):
        one.add(np.full((1, 40, 40), number % 2, np.float32), blended)
    assert blended.min() == 0
    assert blended.max() == pytest.approx(1, abs=0.2)
    assert np.abs(np.diff(blended, axis=2)).max() < 0.1  # a seam would be a step of 1


def test_tiles_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot cut 10 pixels into tiles of 5 with overlap 1"):
        spans(10, 5, overlap=1)
