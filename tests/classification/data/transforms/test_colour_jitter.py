"""Colour jitter of a batch against Pillow's own enhancers, picture by picture."""

import numpy as np
import pytest
import torch

from sccan.classification.data.transforms.colour_jitter import MILLION, ORDERS, check_strength, jitter_numbers, jittered
from sccan.classification.data.transforms.fixed import planes
from sccan.errors import InputError
from tests.classification.data.one_by_one import enhanced
from tests.classification.made_up import noise_picture


def _drawn(count: int, strength: float, **settings: bool) -> np.ndarray:
    return jitter_numbers(np.random.default_rng(3).random((count, 4)), strength, **settings)


def test_a_batch_is_what_pillow_makes_of_its_pictures_in_every_order() -> None:
    pictures = [noise_picture(20, 24, seed) for seed in range(60)]
    drawn = _drawn(60, 0.4)
    assert set(drawn[:, 3]) == set(range(6))
    got = jittered(planes(pictures), torch.from_numpy(drawn)).permute(0, 2, 3, 1).numpy()
    for result, picture, row in zip(got, pictures, drawn.tolist(), strict=True):
        difference = np.abs(result - enhanced(picture, row))
        assert difference.max() <= 1  # a factor in float32 may fall on the other side of a whole number
        assert (difference > 0).mean() < 0.01


def test_factors_lie_around_one_and_are_never_negative() -> None:
    drawn = _drawn(2000, 0.4)
    assert 0.6 * MILLION <= drawn[:, :3].min() < 0.61 * MILLION
    assert 1.39 * MILLION < drawn[:, :3].max() <= 1.4 * MILLION
    assert drawn[:, :3].mean() == pytest.approx(MILLION, rel=0.01)
    assert np.bincount(drawn[:, 3]).min() > 280  # 2000 / 6 = 333
    assert _drawn(200, 3.0)[:, :3].min() >= 0
    assert set(_drawn(50, 0.4, in_order=True)[:, 3]) == {0}
    assert ORDERS[0] == (0, 1, 2)


def test_factors_of_one_change_nothing() -> None:
    pixels = planes([noise_picture(5, 7)])
    assert torch.equal(jittered(pixels, torch.tensor([[MILLION, MILLION, MILLION, 4]])), pixels.float())


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(InputError, match=r"PICTURE\.JITTER is -0\.1"):
        check_strength(-0.1)
