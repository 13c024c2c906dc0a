"""Random rectangles of batches against torchvision's and against the published rule, one picture at a time."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from sccan.classification.data.transforms.random_boxes import erased_boxes, erasing_box, resized_crops

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def _ours(sizes: np.ndarray, seed: int = 0) -> np.ndarray:
    return resized_crops(sizes, np.random.default_rng(seed).random((len(sizes), 22)), SCALE, RATIO)


def _erased(size: tuple[int, int], count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    wanted = generator.random(count) < 0.5
    return erased_boxes(size, generator.random((count, 2)), lambda: generator.random((count, 2)), wanted)


@pytest.mark.parametrize("size", [(84, 84), (60, 84), (40, 20)])
def test_crops_are_distributed_as_torchvisions(size: tuple[int, int]) -> None:
    torch.manual_seed(3)
    image = torch.zeros(3, *size)
    chain = v2.RandomResizedCrop(84)
    drawn = [chain.make_params([image]) for _ in range(3000)]
    theirs = np.array([[one["top"], one["left"], one["height"], one["width"]] for one in drawn])
    ours = _ours(np.tile(size, (3000, 1)))
    for column in range(4):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 0.01
    for derived in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 3] / box[:, 2]):
        assert ks_2samp(derived(ours), derived(theirs)).pvalue > 0.01


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 1000))
def test_crops_lie_inside_the_picture(height: int, width: int, seed: int) -> None:
    boxes = _ours(np.tile((height, width), (20, 1)), seed)
    assert boxes.min() >= 0
    assert boxes[:, 2:].min() >= 1
    assert ((boxes[:, :2] + boxes[:, 2:]) <= (height, width)).all()


def test_a_picture_that_no_crop_fits_gives_its_middle() -> None:
    uniform = np.full((2, 22), 0.999)  # nearly the whole area, at ratio 4 to 3
    boxes = resized_crops(np.array([[10, 100], [90, 30]]), uniform, SCALE, RATIO)
    assert boxes.tolist() == [[0, 43, 10, 13], [25, 0, 40, 30]]


def test_shared_draws_give_the_crop_worked_by_hand() -> None:
    uniform = np.full((1, 22), 0.5)
    uniform[0, 20:] = 0.25, 0.75
    # Area 0.54 of 84 * 84 at ratio 1: a square of side 61.73 -> 62, at floor(0.25 * 23), floor(0.75 * 23).
    assert resized_crops(np.array([[84, 84]]), uniform, SCALE, RATIO).tolist() == [[5, 17, 62, 62]]


def test_erased_rectangles_are_distributed_as_the_published_rules() -> None:
    generator = random.Random(0)
    theirs = np.array([erasing_box(generator, (84, 60)) for _ in range(6000)])
    ours = _erased((84, 60), 6000)
    assert abs((ours[:, 2] > 0).mean() - (theirs[:, 2] > 0).mean()) < 0.03
    ours, theirs = ours[ours[:, 2] > 0], theirs[theirs[:, 2] > 0]
    for column in range(4):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 0.01
    area = ours[:, 2] * ours[:, 3] / (84 * 60)
    assert 0.015 < area.min() < 0.03
    assert 0.38 < area.max() < 0.42
    assert ((ours[:, :2] + ours[:, 2:]) <= (84, 60)).all()
    assert (ours[:, 0] + ours[:, 2]).max() == 84


def test_what_is_not_to_be_erased_or_never_fits_has_no_rectangle() -> None:
    tries = iter([np.array([[1.0, 1.0], [0.0, 0.5], [0.0, 0.5]])] * 100)
    boxes = erased_boxes((20, 20), np.full((3, 2), 0.5), lambda: next(tries), np.array([True, True, False]))
    assert boxes[0].tolist() == boxes[2].tolist() == [0, 0, 0, 0]  # too high in every try; not wanted
    assert boxes[1].tolist() == [8, 9, 4, 2]  # area 8 at ratio 1.8167: 3.81 x 2.10
