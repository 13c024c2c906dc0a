"""Boxes that fit themselves to what is inside."""

import numpy as np
import pytest

from sccan.page.fitting import GrabCut, within
from tests.predict.made_up import disc


@pytest.mark.parametrize("size", [(60, 80), (700, 900)])
def test_a_box_around_a_disc_becomes_the_disc(size: tuple[int, int]) -> None:
    image, mask = disc(*size, seed=3)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (columns[0] - 4, rows[0] - 4, columns[-1] + 5, rows[-1] + 5)
    found = GrabCut().fit(image, tuple(map(int, box)))  # type: ignore[arg-type]
    assert (found & mask).sum() / (found | mask).sum() > 0.9


def test_nothing_is_marked_outside_the_box_and_never_nothing() -> None:
    image = np.full((40, 50, 3), 128, np.uint8)
    for box in ((5, 6, 9, 30), (0, 0, 50, 40), (49, 39, 50, 40)):
        found = GrabCut().fit(image, box)
        outside = np.ones_like(found)
        outside[box[1] : box[3], box[0] : box[2]] = False
        assert found.any()
        assert not (found & outside).any()


def test_crumbs_are_dropped() -> None:
    region = np.zeros((20, 30), bool)
    region[2:12, 3:13] = region[15, 20] = region[5, 25] = True
    kept = within(region, (0, 0, 22, 20))
    assert kept.sum() == 100
    assert within(np.zeros((4, 4), bool), (1, 1, 3, 4)).sum() == 6, "the box itself where nothing was found"
