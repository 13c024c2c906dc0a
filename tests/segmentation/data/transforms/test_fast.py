"""The fast chain does what the published chain does, with the same distribution of parameters."""

import pickle
import random
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from sccan.backbones.pixels import normalize
from sccan.segmentation.data.transforms.fast import MEAN_BYTES, FastTransform
from sccan.segmentation.data.transforms.published import PublishedTransform

IMAGE = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 12, 3), dtype=np.uint8), (200, 150))
LABEL = np.zeros((150, 200), np.uint8)
LABEL[40:100, 60:160], LABEL[100:103, 60:160] = 1, 255
QUIET: dict[str, Any] = {"rotate": 0, "blur": 0, "flip": 0}


@pytest.mark.parametrize("size", [(97, 113), (161, 230), (150, 200)])
def test_bytes_of_the_size_asked_for_and_the_same_for_the_same_seed(size: tuple[int, int]) -> None:
    transform = FastTransform(size, scale=(0.5, 2.0))
    for seed in range(6):
        image, label = transform(IMAGE, LABEL, random.Random(seed))
        assert image.shape == (3, *size)
        assert image.dtype == label.dtype == torch.uint8
        assert label.shape == size
        assert set(label.unique().tolist()) <= {0, 1, 255}
        again, same = pickle.loads(pickle.dumps(transform))(IMAGE, LABEL, random.Random(seed))
        assert torch.equal(image, again)
        assert torch.equal(label, same)


def test_different_seeds_differ() -> None:
    transform = FastTransform((97, 97))
    images = [transform(IMAGE, LABEL, random.Random(seed))[0] for seed in range(4)]
    assert not any(torch.equal(images[0], other) for other in images[1:])


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("size", [(150, 200), (160, 217), (150, 217)])
def test_without_scale_and_rotation_it_equals_the_published_chain(size: tuple[int, int], flip: int) -> None:
    settings = {**QUIET, "flip": flip}
    image, label = FastTransform(size, scale=(1.0, 1.0), **settings)(IMAGE, LABEL, random.Random(0))
    wanted, wanted_label = PublishedTransform(size, scale=(1.0, 1.0), **settings)(IMAGE, LABEL, random.Random(0))
    assert torch.equal(label, wanted_label)
    torch.testing.assert_close(normalize(image), wanted, atol=0.01, rtol=0)  # padding is rounded to bytes


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.1, 1.7])
def test_scaled_pixels_are_those_of_the_published_chain(factor: float) -> None:
    size = round(150 * factor), round(200 * factor)
    image, label = FastTransform(size, scale=(factor, factor), **QUIET)(IMAGE, LABEL, random.Random(0))
    wanted, wanted_label = PublishedTransform(size, (factor, factor), **QUIET)(IMAGE, LABEL, random.Random(0))
    assert (label == wanted_label).float().mean() > 0.985
    inner = (slice(None), slice(2, -2), slice(2, -2))  # the published resize repeats the border, a warp fills it
    assert (normalize(image)[inner] - wanted[inner]).abs().max() < 0.06
    assert (normalize(image)[inner] - wanted[inner]).abs().mean() < 0.008


def test_rotation_turns_the_same_way_about_the_same_point() -> None:
    class Fixed(random.Random):
        def random(self) -> float:
            return 0.0  # the smallest scale, always a rotation, by the largest negative angle

    settings: dict[str, Any] = {"scale": (1.1, 1.1), "rotate": 1, "blur": 0, "flip": 0}
    size = (165, 220)
    transform = FastTransform(size, max_angle=8.0, **settings)
    warp = transform._chain.transforms[0]
    warp.set_random_state(np.random.default_rng(0), Fixed(0))
    drawn = warp.get_params_dependent_on_data({}, {"mask": LABEL})
    image, label = warp.apply(IMAGE, **drawn), warp.apply_to_mask(LABEL, **drawn)
    wanted, wanted_label = PublishedTransform(size, max_angle=8.0, **settings)(IMAGE, LABEL, Fixed(0))
    assert (label == wanted_label.numpy()).mean() > 0.985
    difference = (normalize(torch.from_numpy(image.transpose(2, 0, 1).copy())) - wanted).abs()
    assert difference.mean() < 0.02
    assert difference.flatten().quantile(0.99) < 0.15


def test_parameters_are_distributed_as_in_the_published_chain() -> None:
    transform = FastTransform((97, 113), scale=(0.8, 1.25))
    warp, blur = transform._chain.transforms
    matrices = []
    for seed in range(600):
        warp.set_random_seed(seed)
        matrices.append(warp.get_params_dependent_on_data({}, {"mask": LABEL})["matrix"][:, :2])
    turned = np.array(matrices)
    factors = np.sqrt(np.abs(np.linalg.det(turned)))
    flipped = np.linalg.det(turned) < 0
    angles = np.degrees(np.arctan2(turned[:, 0, 1], np.abs(turned[:, 0, 0])))
    assert 0.8 <= factors.min() < 0.82
    assert 1.23 < factors.max() <= 1.25
    assert abs(np.mean(factors) - 1.025) < 0.02
    assert 0.42 < np.mean(flipped) < 0.58
    assert 0.42 < np.mean(angles != 0) < 0.58
    assert 9.5 < np.abs(angles).max() <= 10.0001
    assert blur.p == 0.5


def test_blur_is_that_of_the_published_chain() -> None:
    settings: dict[str, Any] = {"scale": (1.0, 1.0), "rotate": 0, "blur": 1, "flip": 0}
    image, _ = FastTransform((150, 200), **settings)(IMAGE, LABEL, random.Random(0))
    wanted = PublishedTransform((150, 200), **settings)(IMAGE, LABEL, random.Random(0))[0]
    assert (normalize(image) - wanted).abs().max() < 0.03


def test_crops_keep_the_foreground() -> None:
    transform = FastTransform((97, 113), scale=(1.0, 1.0), **QUIET)
    kept = [(transform(IMAGE, LABEL, random.Random(seed))[1] == 1).sum() / (LABEL == 1).sum() for seed in range(20)]
    assert min(kept) >= 0.85


def test_padding_is_the_mean() -> None:
    image, label = FastTransform((150, 260), scale=(1.0, 1.0), **QUIET)(IMAGE, LABEL, random.Random(0))
    assert image[:, 70, 0].tolist() == list(MEAN_BYTES)
    assert (label[:, 0] == 255).all()
