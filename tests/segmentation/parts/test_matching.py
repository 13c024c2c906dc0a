"""Gate and votes: by hand, and against sorting everything."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.parts import matching
from sccan.segmentation.parts.matching import (
    forward_gate,
    highest_cosine,
    most_of_three_are_foreground,
    nearest_is_foreground,
    votes_needed,
)


def test_the_gate_is_at_zero_and_at_the_top_tenth_where_nothing_passes() -> None:
    similarity = torch.stack([torch.linspace(-0.5, 0.49, 11), torch.linspace(-1.0, -0.5, 11)])
    gate = forward_gate(similarity)
    assert gate[0].nonzero().flatten().tolist() == [6, 7, 8, 9, 10]
    assert gate[1].nonzero().flatten().tolist() == [10]
    assert not forward_gate(torch.full((5,), -0.3)).any()


def test_half_of_an_even_number_of_votes_is_enough() -> None:
    assert [votes_needed(k) for k in (1, 2, 3, 4, 5, 10)] == [1, 1, 2, 2, 3, 5]


def test_nearest_cells_by_hand() -> None:
    reference = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    query = torch.tensor([[0.9, 0.1], [0.1, 0.9], [-0.9, 0.2]])
    found = nearest_is_foreground(query, reference, torch.tensor([True, False, True]))
    assert found.tolist() == [True, False, True]
    assert nearest_is_foreground(query, reference, torch.zeros(3, dtype=torch.bool)).tolist() == [False] * 3
    assert nearest_is_foreground(query, reference, torch.ones(3, dtype=torch.bool)).tolist() == [True] * 3
    assert nearest_is_foreground(query[:0], reference, torch.tensor([True, False, True])).shape == (0,)


@pytest.mark.parametrize("pairs", [1, 40, 2**20])
def test_nearest_cells_are_those_of_the_whole_matrix(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "PAIRS", pairs)
    generator = torch.Generator().manual_seed(2)
    query, reference = torch.randn(23, 6, generator=generator), torch.randn(31, 6, generator=generator)
    foreground = torch.rand(31, generator=generator) > 0.6
    wanted = foreground[(query @ reference.T).argmax(1)]
    assert torch.equal(nearest_is_foreground(query, reference, foreground), wanted)
    torch.testing.assert_close(highest_cosine(query, reference), (query @ reference.T).amax(1))
    assert highest_cosine(query, reference[:0]).tolist() == [-1.0] * 23


@given(st.integers(0, 12), st.integers(3, 12), st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_two_of_three_are_those_of_sorting(inside: int, columns: int, seed: int) -> None:
    inside = min(inside, columns)
    dots = torch.rand(9, columns, generator=torch.Generator().manual_seed(seed))
    wanted = (dots.topk(3, dim=1).indices < inside).sum(1) >= 2
    assert torch.equal(most_of_three_are_foreground(dots, inside), wanted)
