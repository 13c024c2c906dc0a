"""Thickness is the radius of discs, whatever their number, and nothing for nothing."""

import numpy as np
import pytest

from sccan.segmentation.parts.thickness import thickness


def _discs(radius: int, *centres: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[:120, :160]
    return np.any([(rows - y) ** 2 + (columns - x) ** 2 < radius**2 for y, x in centres], axis=0)


@pytest.mark.parametrize("radius", [6, 25])
def test_it_is_the_radius_of_discs(radius: int) -> None:
    assert thickness(_discs(radius, (60, 40))) == pytest.approx(radius, rel=0.1)
    assert thickness(_discs(radius, (60, 40), (60, 120))) == pytest.approx(radius, rel=0.1)


def test_what_fills_the_picture_ends_at_its_border_and_nothing_has_none() -> None:
    assert 15 < thickness(np.ones((40, 60), bool)) < 30
    assert thickness(np.zeros((40, 60), bool)) == 0
