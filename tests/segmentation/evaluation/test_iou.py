"""Scores against sets of pixels counted one by one, and intervals against SciPy."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from torch import Tensor

from sccan.segmentation.evaluation.iou import (
    Counts,
    background_iou,
    best_threshold,
    class_scores,
    confidence_interval,
    count_labels,
    count_scores,
    episode_iou,
    episode_row,
    fb_iou,
    foreground_iou,
    label_iou,
    mean_iou,
    mean_iou_of_tested,
    pixel_accuracy,
    rows_at_threshold,
    student_t,
)

SHAPE = (5, 7)
targets = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 3, 255]))
predictions = arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
masks = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 255]))
ROWS = torch.tensor(
    [
        [0, 3, 50, 10, 80, 40],
        [1, 3, 60, 20, 70, 30],
        [2, 8, 10, 0, 90, 90],
        [3, 3, 0, 5, 10, 10],
    ]
)


def pixels(label: np.ndarray, value: int, target: np.ndarray) -> set[tuple[int, ...]]:
    """Places with a value, among those that count."""
    return {place for place in np.ndindex(*label.shape) if label[place] == value and target[place] != 255}


@settings(deadline=None)
@given(prediction=predictions, target=targets)
def test_counts_are_sizes_of_sets(prediction: np.ndarray, target: np.ndarray) -> None:
    counts = count_labels(torch.from_numpy(prediction), torch.from_numpy(target), 4)
    for label in range(4):
        ours, theirs = pixels(prediction, label, target), pixels(target, label, target)
        assert counts.intersection[label] == len(ours & theirs)
        assert counts.union[label] == len(ours | theirs)
        assert counts.target[label] == len(theirs)
    assert counts.union.dtype == torch.int64


@settings(deadline=None)
@given(prediction=arrays(np.uint8, SHAPE, elements=st.integers(0, 1)), target=masks)
def test_a_row_is_the_counts_of_two_labels(prediction: np.ndarray, target: np.ndarray) -> None:
    row = episode_row(12, 7, torch.from_numpy(prediction), torch.from_numpy(target))
    counts = count_labels(torch.from_numpy(prediction), torch.from_numpy(target), 2)
    assert row.tolist() == [12, 7, *counts.intersection.tolist(), *counts.union.tolist()]


def test_counts_add_up() -> None:
    one = Counts(torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([2, 2]))
    total = one + one
    assert (total.intersection.tolist(), total.union.tolist(), total.target.tolist()) == ([2, 4], [6, 8], [4, 4])
    torch.testing.assert_close(label_iou(total), torch.tensor([1 / 3, 1 / 2], dtype=torch.float64))
    assert pixel_accuracy(total) == pytest.approx(6 / 8)


def test_labels_out_of_range_and_shapes_are_refused() -> None:
    ok = torch.tensor([0, 1, 0])
    for prediction, target in (([0, 2, 0], [0, 1, 0]), ([0, 1, 0], [0, 2, 0]), ([3, 0, 0], [1, 1, 1])):
        with pytest.raises(ValueError, match="a label is not below 2"):
            count_labels(torch.tensor(prediction), torch.tensor(target), 2)
    for count in (lambda: count_labels(ok, ok[:2], 2), lambda: episode_row(0, 1, ok, ok[:2])):
        with pytest.raises(ValueError, match="differ in shape"):
            count()


def test_class_scores_by_hand() -> None:
    scores = class_scores(ROWS, (3, 8, 11))
    assert (scores[3].iou, scores[3].episodes) == (pytest.approx(35 / 80), 3)
    assert (scores[8].iou, scores[8].episodes) == (0.0, 1)
    assert (scores[11].iou, scores[11].episodes) == (0.0, 0)
    assert mean_iou(ROWS, (3, 8, 11)) == pytest.approx(35 / 80 / 3)
    assert mean_iou_of_tested(ROWS, (3, 8, 11)) == pytest.approx(35 / 80 / 2)
    assert math.isnan(mean_iou_of_tested(ROWS, (11,)))


def test_fb_iou_by_hand() -> None:
    assert background_iou(ROWS) == pytest.approx(120 / 250)
    assert foreground_iou(ROWS) == pytest.approx(35 / 170)
    assert fb_iou(ROWS) == pytest.approx((120 / 250 + 35 / 170) / 2)
    torch.testing.assert_close(episode_iou(ROWS), torch.tensor([0.25, 2 / 3, 0, 0.5], dtype=torch.float64))


def test_scores_do_not_depend_on_the_order_of_episodes() -> None:
    generator = np.random.default_rng(0)
    rows = torch.from_numpy(generator.integers(1, 10**6, (101, 6)))
    rows[:, 1] = torch.from_numpy(generator.integers(1, 6, 101))
    mixed = rows[torch.from_numpy(generator.permutation(101))]
    for score in (lambda r: mean_iou(r, range(1, 6)), fb_iou, foreground_iou):
        assert score(rows) == score(mixed)  # the same digits, not nearly


@settings(deadline=None, max_examples=30)
@given(
    scores=arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)),
    target=masks,
    bins=st.sampled_from([1, 4, 10, 16]),
)
def test_every_threshold_scores_as_if_the_map_had_been_kept(scores: np.ndarray, target: np.ndarray, bins: int) -> None:
    row = count_scores(5, 3, torch.from_numpy(scores), torch.from_numpy(target), bins)
    assert row.shape == (2 + 2 * bins,)
    for threshold in range(bins + 1):
        predicted = scores.astype(np.float64) * bins >= threshold if threshold < bins else np.zeros(SHAPE, bool)
        wanted = episode_row(5, 3, torch.from_numpy(predicted.astype(np.uint8)), torch.from_numpy(target))
        assert rows_at_threshold(row[None], threshold)[0].tolist() == wanted.tolist()


def score_row(background: list[int], foreground: list[int], number: int = 1) -> Tensor:
    return torch.tensor([[0, number, *background, *foreground]])


def test_best_threshold_by_hand() -> None:
    # At threshold 2 of 4: 9 + 30 of the 40 foreground pixels, 5 of background: 39 / 45.
    rows = score_row([50, 20, 4, 1], [0, 1, 9, 30])
    assert best_threshold(rows, (1,)) == 2
    assert mean_iou(rows_at_threshold(rows, 2), (1,)) == pytest.approx(39 / 45)
    both = torch.cat([rows, score_row([0, 0, 60, 0], [0, 0, 0, 100], number=2)])
    assert best_threshold(both, (1, 2)) == 3
    assert best_threshold(both, (1,)) == 2  # episodes of other classes do not count


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 29, 30, 31, 60, 999])
def test_student_t_is_that_of_scipy(freedom: int) -> None:
    assert student_t(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), abs=6e-5)


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_interval_is_that_of_scipy(values: list[float]) -> None:
    interval = confidence_interval(values)
    assert interval.mean == pytest.approx(np.mean(values))
    error: Any = stats.sem(values)
    low, high = (interval.mean - interval.half_width, interval.mean + interval.half_width)
    if error > 1e-12:
        wanted = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        assert (low, high) == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    assert interval.values == tuple(values)


def test_one_value_has_no_width_and_none_is_refused() -> None:
    single = confidence_interval([0.5])
    assert single.mean == 0.5
    assert math.isnan(single.half_width)
    with pytest.raises(ValueError, match="at least one value"):
        confidence_interval([])
