"""Arithmetic of transductive methods: numbers worked by hand, and what must hold for any numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.classification.parts.transduction import (
    balanced_assignment,
    laplacian_labels,
    neighbour_weights,
    power_transformed,
    tsallis_cross_entropy,
    tsallis_entropy,
)


def test_neighbours_are_the_nearest_others_on_both_sides() -> None:
    line = torch.tensor([[[0.0], [1.0], [3.0]], [[0.0], [5.0], [6.0]]])
    first = [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]  # 0 and 1 choose each other; 3 chooses 1 alone
    second = [[0, 0.5, 0], [0.5, 0, 1], [0, 1, 0]]
    assert neighbour_weights(line, 1).tolist() == [first, second]
    assert neighbour_weights(line[:, :1], 3).tolist() == [[[0.0]], [[0.0]]]  # alone, without neighbours


def test_a_doubtful_query_is_labelled_as_its_neighbours_are() -> None:
    distances = torch.tensor([[[0.0, 4.0], [0.0, 4.0], [1.01, 1.0]]])
    weights = torch.tensor([[[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]])
    alone = laplacian_labels(distances, weights, pull=0.0)
    assert alone.tolist() == (-distances).tolist()
    assert alone.argmax(-1).tolist() == [[0, 0, 1]]
    assert laplacian_labels(distances, weights, pull=1.0).argmax(-1).tolist() == [[0, 0, 0]]


def test_entropies_by_hand() -> None:
    half = torch.tensor([0.5, 0.5])
    assert tsallis_entropy(half, 2).item() == pytest.approx(0.5)  # 1 - 2 / 4
    assert tsallis_entropy(half, 3).item() == pytest.approx(0.375)  # (1 - 2 / 8) / 2
    assert tsallis_entropy(half, 1).item() == pytest.approx(math.log(2))
    assert tsallis_entropy(half, 1.0001).item() == pytest.approx(math.log(2), abs=1e-3)  # continuous there
    assert tsallis_cross_entropy(torch.tensor(0.25), 2).item() == pytest.approx(0.75)
    assert tsallis_cross_entropy(torch.tensor(0.25), 1).item() == pytest.approx(math.log(4))
    assert tsallis_cross_entropy(torch.tensor(1.0), 5).item() == 0


def test_the_power_transform_makes_a_root_of_length_one() -> None:
    found = power_transformed(torch.tensor([[9.0, 16.0, -1.0]]), shift=0.0)
    torch.testing.assert_close(found, torch.tensor([[3.0, 4.0, 0.0]]) / 5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(1, 6), st.integers(0, 10_000))
def test_a_balanced_assignment_deals_alike(n_way: int, per_way: int, seed: int) -> None:
    costs = torch.rand(2, n_way * per_way, n_way, generator=torch.Generator().manual_seed(seed)) * 2
    plan = balanced_assignment(costs, sharpness=3.0)
    torch.testing.assert_close(plan.sum(2), torch.ones(2, n_way * per_way), atol=1e-5, rtol=0)
    torch.testing.assert_close(plan.sum(1), torch.full((2, n_way), float(per_way)), atol=1e-2, rtol=0)
