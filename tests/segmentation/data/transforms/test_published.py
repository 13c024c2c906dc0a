"""Published transforms: sizes by hand, draws in order, and what a crop may lose."""

import random

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.backbones.pixels import MEAN, STD, normalize
from sccan.segmentation.data.transforms.published import (
    KeepAspect,
    PublishedTransform,
    SquareResize,
    WithoutDraws,
    centre_crop,
    draw_crop,
    foreground,
    pad_to,
    published_test_resize,
    to_tensor,
)

GENERATOR = np.random.default_rng(1)
IMAGE = cv2.resize(GENERATOR.integers(0, 256, (9, 12, 3), dtype=np.uint8), (100, 75))
LABEL = np.zeros((75, 100), np.uint8)
LABEL[20:50, 30:80], LABEL[50:52, 30:80] = 1, 255


def test_normalising_by_hand() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 1] = 255, 128, 0
    tensor = to_tensor(image)
    assert tensor.shape == (3, 2, 3)
    assert tensor.dtype == torch.float32
    wanted = [(value - mean) / std for value, mean, std in zip((255, 128, 0), MEAN, STD, strict=True)]
    torch.testing.assert_close(tensor[:, 0, 1], torch.tensor(wanted))
    batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None, None]
    torch.testing.assert_close(normalize(batch)[0, 0], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "size", "content"),
    [
        ((375, 500), 473, (352, 472)),
        ((500, 375), 473, (472, 352)),
        ((75, 100), 97, (72, 96)),
        ((60, 80), 97, (72, 96)),  # enlarged
        ((97, 97), 97, (96, 96)),
        ((480, 640), 641, (480, 640)),
        ((10, 500), 97, (8, 96)),  # never less than one step
    ],
)
def test_content_sizes_by_hand(shape: tuple[int, int], size: int, content: tuple[int, int]) -> None:
    assert KeepAspect(size).content_size(*shape) == content


def test_exact_content_keeps_the_aspect() -> None:
    assert KeepAspect(473, multiple=1).content_size(375, 500) == (354, 473)


def test_resized_picture_lies_at_the_top_left_of_black_and_of_255() -> None:
    transform = KeepAspect(65)
    image, label = transform.image(IMAGE), transform.label(LABEL)
    assert image.shape == (3, 65, 65)
    rows, columns = transform.content_size(75, 100)
    black = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)])
    torch.testing.assert_close(image[:, rows:, :].flatten(1).mean(1), black)
    torch.testing.assert_close(image[:, 0, -1], black)
    assert (label[rows:] == 255).all()
    assert (label[:, columns:] == 255).all()
    small = F.interpolate(
        torch.from_numpy(IMAGE.transpose(2, 0, 1)[None].astype(np.float32)), (rows, columns), mode="bilinear"
    )
    torch.testing.assert_close(image[:, :rows, :columns], normalize(small)[0], atol=2e-3, rtol=0)


def test_padding_may_be_the_mean() -> None:
    image = KeepAspect(65, padding=tuple(MEAN)).image(IMAGE)
    torch.testing.assert_close(image[:, -1, -1], torch.zeros(3), atol=1e-6, rtol=0)


def test_test_resize_leaves_small_pictures_alone() -> None:
    transform = published_test_resize(120)
    assert transform.content_size(75, 100) == (75, 100)
    assert (transform.resize(IMAGE)[:75, :100] == IMAGE).all()
    assert published_test_resize(97).content_size(75, 100) == KeepAspect(97).content_size(75, 100)


def test_square_resize_keeps_no_aspect_and_picks_labels_like_torch() -> None:
    transform = SquareResize(40)
    assert transform.image(IMAGE).shape == (3, 40, 40)
    assert transform.content_size(75, 100) == (40, 40)
    nearest = F.interpolate(torch.from_numpy(LABEL)[None, None].float(), (40, 40), mode="nearest")[0, 0]
    assert (transform.label(LABEL) == nearest.numpy()).all()
    flat = SquareResize(7).image(np.full((30, 20, 3), 77, np.uint8))
    torch.testing.assert_close(flat, to_tensor(np.full((7, 7, 3), 77, np.uint8)))


def test_fixed_transform_in_training_draws_nothing() -> None:
    generator = random.Random(0)
    before = generator.getstate()
    image, label = WithoutDraws(KeepAspect(65))(IMAGE, LABEL, generator)
    assert generator.getstate() == before
    assert torch.equal(image, KeepAspect(65).image(IMAGE))
    assert torch.equal(label, torch.from_numpy(KeepAspect(65).label(LABEL)))


@pytest.mark.parametrize("size", [(65, 81), (97, 120), (33, 150)])
def test_training_chain_gives_crops_of_the_size_asked_for(size: tuple[int, int]) -> None:
    transform = PublishedTransform(size, scale=(0.5, 2.0))
    for seed in range(8):
        image, label = transform(IMAGE, LABEL, random.Random(seed))
        again, same = transform(IMAGE, LABEL, random.Random(seed))
        assert image.shape == (3, *size)
        assert image.dtype == torch.float32
        assert label.shape == size
        assert label.dtype == torch.uint8
        assert set(label.unique().tolist()) <= {0, 1, 255}
        assert torch.equal(image, again)
        assert torch.equal(label, same)


def test_chain_without_its_steps_is_a_crop() -> None:
    transform = PublishedTransform((75, 100), scale=(1.0, 1.0), rotate=0, blur=0, flip=0)
    image, label = transform(IMAGE, LABEL, random.Random(0))
    torch.testing.assert_close(image, to_tensor(IMAGE))
    assert (label.numpy() == LABEL).all()
    flipped, label = PublishedTransform((75, 100), (1.0, 1.0), rotate=0, blur=0, flip=1)(IMAGE, LABEL, random.Random(0))
    torch.testing.assert_close(flipped, to_tensor(IMAGE[:, ::-1]))
    assert (label.numpy() == LABEL[:, ::-1]).all()


def test_missing_pixels_are_the_mean_and_255() -> None:
    transform = PublishedTransform((81, 111), scale=(1.0, 1.0), rotate=0, blur=0, flip=0)
    image, label = transform(IMAGE, LABEL, random.Random(0))
    torch.testing.assert_close(image[:, 3:-3, 5:-6], to_tensor(IMAGE))  # the smaller half before
    assert (label[:3] == 255).all()
    assert (label[:, :5] == 255).all()
    torch.testing.assert_close(image[:, 0], torch.zeros(3, 111), atol=1e-5, rtol=0)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(5, 60), width=st.integers(5, 60))
def test_crops_keep_the_foreground_where_that_is_possible(seed: int, height: int, width: int) -> None:
    wanted = np.zeros((60, 60), bool)
    wanted[10:14, 40:46] = True
    log: list[int] = []

    class Logged:
        generator = random.Random(seed)

        def random(self) -> float:
            raise AssertionError("a crop draws whole numbers only")

        def randint(self, a: int, b: int) -> int:
            log.append(self.generator.randint(a, b))
            return log[-1]

    top, left = draw_crop(wanted, (height, width), Logged())
    kept = wanted[top : top + height, left : left + width].sum() / wanted.sum()
    assert [top, left] == log[-2:]
    assert 0 <= top <= 60 - height
    assert 0 <= left <= 60 - width
    assert kept >= 0.85 or len(log) == 2 * 32
    assert len(log) <= 2 * 32


def test_crop_without_foreground_is_drawn_once() -> None:
    generator, same = random.Random(4), random.Random(4)
    corner = draw_crop(np.zeros((20, 30), bool), (7, 9), generator)
    assert corner == (same.randint(0, 13), same.randint(0, 21))
    assert generator.getstate() == same.getstate()


def test_foreground_is_label_one_or_any() -> None:
    label = np.array([0, 1, 2, 255])
    assert foreground(label, any_value=False).tolist() == [False, True, False, False]
    assert foreground(label, any_value=True).tolist() == [False, True, True, False]


def test_padding_and_centre_by_hand() -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = np.repeat(label[..., None], 3, axis=2).astype(np.float32)
    padded, wide = pad_to(image, label, (6, 4))
    assert (wide[1:4] == label).all()
    assert (wide[[0, 4, 5]] == 255).all()
    assert padded.shape == (6, 4, 3)
    cropped, middle = centre_crop(image, label, (2, 7))
    assert middle.tolist() == [[255, 0, 1, 2, 3, 255, 255], [255, 4, 5, 6, 7, 255, 255]]
    assert cropped.shape == (2, 7, 3)
