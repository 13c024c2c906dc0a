"""Accuracy and its interval, by hand and against a plain loop."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sccan.classification.evaluation.accuracy import accuracy, count_correct
from sccan.errors import InputError


def test_counts_are_per_episode_and_of_equal_scores_the_lowest_class_counts() -> None:
    scores = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [5.0, 5.0]], [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]])
    labels = torch.tensor([[1, 1, 0], [1, 1, 1]])
    rows = count_correct(scores, labels, torch.tensor([8, 9]))
    assert rows.tolist() == [[8, 2, 3], [9, 2, 3]]
    assert rows.dtype == torch.int64


def test_mean_and_interval_by_hand() -> None:
    result = accuracy(torch.tensor([[0, 75, 75], [1, 60, 75], [2, 45, 75], [3, 60, 75]]))
    assert result.mean == pytest.approx(0.8)
    assert result.half_width == pytest.approx(1.96 * math.sqrt(0.02) / 2)
    assert str(result) == "80.00 ± 13.86 %"


@given(st.lists(st.integers(0, 75), min_size=1, max_size=40), st.randoms())
def test_the_order_of_rows_does_not_matter_and_the_deviation_is_the_population_s(
    counts: list[int], random: object
) -> None:
    rows = [[number, count, 75] for number, count in enumerate(counts)]
    result = accuracy(torch.tensor(rows))
    shares = [count / 75 for count in counts]
    assert result.mean == pytest.approx(statistics.fmean(shares))
    assert result.half_width == pytest.approx(1.96 * statistics.pstdev(shares) / math.sqrt(len(counts)), abs=1e-9)
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert accuracy(torch.tensor(rows)) == result


def test_no_episode_has_no_accuracy() -> None:
    with pytest.raises(InputError, match="no episode was evaluated"):
        accuracy(torch.zeros(0, 3, dtype=torch.int64))
