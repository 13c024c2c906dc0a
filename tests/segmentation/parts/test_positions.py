"""Positional debiasing: the same space as singular vectors give, lengths kept, and ranks that are refused."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.segmentation.parts.positions import check_kept_energy, debiased, debiasing_rank, position_free_basis


def _tokens(channels: int = 12, height: int = 5, width: int = 6) -> torch.Tensor:
    return torch.randn(channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rank", [1, 4, 11])
def test_inner_products_are_those_after_removing_the_first_singular_vectors(rank: int) -> None:
    tokens = _tokens()
    positions = F.normalize(tokens.double().flatten(1), dim=0)
    removed = torch.linalg.svd(positions - positions.mean(1, keepdim=True)).U[:, :rank]
    cells = F.normalize(torch.randn(2, 7, 12, dtype=torch.float64), dim=-1)
    wanted = F.normalize(cells - cells @ removed @ removed.T, dim=-1)
    basis = position_free_basis(tokens, rank)
    assert basis.shape == (12, 12 - rank)
    found = debiased(cells.float(), basis)
    torch.testing.assert_close(found @ found.transpose(1, 2), (wanted @ wanted.transpose(1, 2)).float())
    torch.testing.assert_close(found @ basis.T, wanted.float(), rtol=1e-4, atol=1e-5)


def test_no_rank_changes_nothing() -> None:
    cells = torch.randn(3, 4)
    assert debiased(cells, None) is cells
    check_kept_energy(cells, None)


@given(st.floats(0.001, 0.999), st.integers(2, 1024))
@settings(max_examples=60, deadline=None)
def test_a_share_is_a_share_of_the_channels_or_refused(share: float, channels: int) -> None:
    number = round(share * channels)
    if number < channels:
        assert debiasing_rank(share, channels, 10**6) == number
    else:
        with pytest.raises(InputError, match=f"would leave nothing of {channels} channels"):
            debiasing_rank(share, channels, 10**6)


def test_published_ranks_are_the_shares() -> None:
    assert [debiasing_rank(share, 1024, 4096) for share in (0.488, 0.244)] == [500, 250]
    assert [debiasing_rank(number, 1024, 4096) for number in (0, 1, 500.0)] == [0, 1, 500]


@pytest.mark.parametrize(
    ("rank", "channels", "cells", "line"),
    [
        (500, 384, 4096, "rank 500 would leave nothing of 384 channels"),
        (384, 384, 4096, "rank 384 would leave nothing of 384 channels"),
        (500, 1024, 484, "rank 500 needs more than 500 cells, but the map has 484"),
        (-1, 8, 100, "rank -1 is none; give a share"),
    ],
)
def test_ranks_that_cannot_be_are_refused(rank: float, channels: int, cells: int, line: str) -> None:
    with pytest.raises(InputError, match=line):
        debiasing_rank(rank, channels, cells)


def test_features_that_do_not_know_their_place_are_refused() -> None:
    alike = torch.ones(6, 4, 5)
    with pytest.raises(InputError, match="rank 2, but positions show in 0 directions of these features; use a smaller"):
        position_free_basis(alike, 2)
    few = torch.ones(6, 4, 5)
    few[0] += torch.arange(5.0)
    with pytest.raises(InputError, match="rank 3, but positions show in [12] directions"):
        position_free_basis(few, 3)


def test_cells_that_lie_in_what_is_removed_are_refused() -> None:
    basis = torch.eye(5)[:, 3:]
    inside = F.normalize(torch.randn(4, 5), dim=-1) * torch.tensor([1.0, 1.0, 1.0, 1e-6, 0.0])
    with pytest.raises(InputError, match=r"leaves .* of the features' energy, which is rounding; .* than 3 of 5"):
        check_kept_energy(inside, basis)
    check_kept_energy(torch.ones(4, 5), basis)
