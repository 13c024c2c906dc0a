"""Alignment of a picture with an example that was taken like it: moved scenes are laid where they belong."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.parts.alignment import NARROWER, SELDOM, TURNS, Marked, _aligned, aligned_sums
from sccan.segmentation.parts.places import Lattice, own_lattice, placed_sums

LATTICE = own_lattice((16, 20), torch.device("cpu"))
SIGMA, REACH = 0.1, 0.15


def _scene(places: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """What lies at places [L, 2] of a scene whose looks change slowly, of length one [L, 32]."""
    random = torch.Generator().manual_seed(seed)
    waves, phases = 8 * torch.randn(2, 32, generator=random), 6.3 * torch.rand(32, generator=random)
    return F.normalize((places @ waves + phases).cos(), dim=1)


def _example(cells: torch.Tensor) -> Marked:
    """The upper left quarter is foreground."""
    inside = (LATTICE.places < 0.5).all(1)
    return (cells[inside], LATTICE.places[inside]), (cells[~inside], LATTICE.places[~inside])


def _sums(cells: torch.Tensor, example: Marked, sigma: float = SIGMA) -> tuple[torch.Tensor, torch.Tensor]:
    """As they are, and where alignment foretells more."""
    wide = torch.stack([placed_sums(cells, LATTICE, *group, sigma=sigma, reach=REACH) for group in example])
    return wide, aligned_sums(wide, cells, LATTICE, example, sigma=sigma, reach=REACH)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(0.85, 1.15), st.floats(0.85, 1.15), st.floats(-0.08, 0.08), st.floats(-0.08, 0.08))
def test_a_moved_and_scaled_scene_is_laid_where_it_belongs(
    seed: int, tall: float, broad: float, down: float, right: float
) -> None:
    truth = Lattice(tall * (LATTICE.heights - 0.5) + 0.5 + down, broad * (LATTICE.widths - 0.5) + 0.5 + right)
    found = _aligned(_scene(truth.places, seed), LATTICE, _example(_scene(LATTICE.places, seed)), SIGMA, REACH)
    before, after = ((lattice.places - truth.places).square().mean().sqrt() for lattice in (LATTICE, found))
    assert after < 0.01 + before / 4


def test_a_scene_that_was_moved_is_compared_where_it_belongs() -> None:
    example = _example(_scene(LATTICE.places))
    moved = Lattice(LATTICE.heights + 0.1, 0.9 * LATTICE.widths)
    cells = _scene(moved.places)
    wide, found = _sums(cells, example)
    assert not torch.equal(found, wide)
    at = _aligned(cells, LATTICE, example, SIGMA, REACH)
    narrowest = REACH * NARROWER**TURNS
    wanted = [placed_sums(cells, at, *group, sigma=SIGMA, reach=narrowest, anywhere=SELDOM) for group in example]
    assert torch.equal(found, torch.stack(wanted))


def test_what_moved_a_little_in_a_still_scene_is_looked_for_around_the_place_where_it_was() -> None:
    still, thing = _scene(LATTICE.places), _scene(LATTICE.places, seed=1)
    grid = LATTICE.grid
    first, later = still.clone().view(*grid, -1), still.clone().view(*grid, -1)
    first[2:6, 2:6] = later[2:6, 6:10] = thing.view(*grid, -1)[2:6, 2:6]
    inside = torch.zeros(grid, dtype=torch.bool)
    inside[2:6, 2:6] = True
    cells, mask = first.flatten(0, 1), inside.flatten()
    example = (cells[mask], LATTICE.places[mask]), (cells[~mask], LATTICE.places[~mask])
    wide, found = _sums(later.flatten(0, 1), example, sigma=0.03)
    assert torch.equal(found, wide)
    wide, found = _sums(cells, example, sigma=0.03)
    assert not torch.equal(found, wide), "where it stands still, it is"


@pytest.mark.parametrize("marked", [0, 1])
def test_an_example_of_one_kind_alone_can_be_aligned(marked: int) -> None:
    cells = _scene(LATTICE.places)
    everything, nothing = (cells, LATTICE.places), (cells[:0], LATTICE.places[:0])
    example = (nothing, everything) if marked == 0 else (everything, nothing)
    wide, found = _sums(_scene(LATTICE.places + 0.05), example)
    assert torch.isfinite(found).all()
    assert not torch.equal(found, wide)


def test_a_single_row_and_cells_like_nothing_stay_finite() -> None:
    lattice = own_lattice((1, 6), torch.device("cpu"))
    cells = F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    example = (-cells[:2], lattice.places[:2]), (-cells[2:], lattice.places[2:])
    moved = _aligned(cells, lattice, example, 0.03, REACH)
    assert all(math.isfinite(value) for side in moved for value in side.tolist())
