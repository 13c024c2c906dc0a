"""Colour jitter of a batch against Pillow's own enhancers, picture by picture."""

import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from sccan.classification.data.colour_jitter import MILLION, ORDERS, draw_jitter, jittered
from sccan.classification.data.transforms import Augmentation, FixedTransform, stack_pixels
from sccan.errors import InputError

ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def _pillow(picture: np.ndarray, row: list[int]) -> np.ndarray:
    image = Image.fromarray(picture)
    for kind in ORDERS[row[3]]:
        image = ENHANCERS[kind](image).enhance(row[kind] / MILLION)
    return np.asarray(image)


def test_a_batch_is_what_pillow_makes_of_its_pictures_in_every_order() -> None:
    generator = random.Random(3)
    pictures = np.random.default_rng(0).integers(0, 256, (60, 20, 24, 3), dtype=np.uint8)
    drawn = [draw_jitter(generator, 0.4) for _ in pictures]
    assert {row[3] for row in drawn} == set(range(6))
    got = jittered(torch.from_numpy(pictures), torch.tensor(drawn)).numpy()
    for result, picture, row in zip(got, pictures, drawn, strict=True):
        difference = np.abs(result.astype(int) - _pillow(picture, row))
        assert difference.max() <= 1  # a factor in float32 may fall on the other side of a whole number
        assert (difference > 0).mean() < 0.01


def test_factors_lie_around_one_and_are_never_negative() -> None:
    generator = random.Random(0)
    drawn = np.array([draw_jitter(generator, 0.4) for _ in range(2000)])
    assert 0.6 * MILLION <= drawn[:, :3].min() < 0.61 * MILLION
    assert 1.39 * MILLION < drawn[:, :3].max() <= 1.4 * MILLION
    assert min(min(draw_jitter(generator, 3.0)[:3]) for _ in range(200)) >= 0
    still = torch.tensor([[MILLION, MILLION, MILLION, 4]])
    pixels = torch.randint(0, 256, (1, 5, 7, 3), dtype=torch.uint8)
    assert torch.equal(jittered(pixels, still), pixels)


def test_the_augmentation_jitters_what_was_cropped_and_draws_the_rest_as_before() -> None:
    fixed = FixedTransform((20, 24))
    pictures = [np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8) for seed in range(4)]
    pixels = stack_pixels(pictures, fixed)
    augmentation = Augmentation(pad=3, flip=0, erase=0, jitter=0.4)
    drawn = augmentation.draw((20, 24), 4, random.Random(5))
    assert drawn.shape == (4, 11)
    first = Augmentation(pad=3, flip=0, erase=0).draw((20, 24), 1, random.Random(5))
    assert torch.equal(drawn[:1, :7], first)
    got = augmentation.apply(pixels, drawn, fixed)
    for number, (picture, row) in enumerate(zip(pictures, drawn.tolist(), strict=True)):
        cropped = np.pad(picture, ((3, 3), (3, 3), (0, 0)))[row[0] : row[0] + 20, row[1] : row[1] + 24]
        want = fixed(_pillow(cropped, row[7:]))
        assert float((got[number] - want).abs().max()) < 0.02  # one step of a byte


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(InputError, match=r"PICTURE\.JITTER is -0\.1"):
        Augmentation(jitter=-0.1)
