"""Kernels of places: sums against their formula, and what pictures taken alike gain by them."""

import math

import pytest
import torch
import torch.nn.functional as F

from sccan.segmentation.parts import density
from sccan.segmentation.parts.places import ANYWHERE, Lattice, gains_of_places, own_lattice, placed_sums

LATTICE = own_lattice((5, 8), torch.device("cpu"))
SIGMA, REACH = 0.1, 0.15


def _cells(seed: int, count: int = 40) -> torch.Tensor:
    return F.normalize(torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)), dim=1)


def _near(places: torch.Tensor) -> torch.Tensor:
    between = torch.cdist(LATTICE.places, places)
    return (-between.square() / (2 * REACH**2)).exp() + ANYWHERE


def _gain(cells: torch.Tensor, example: torch.Tensor, reach: float = REACH) -> float:
    places = LATTICE.places
    parts = [
        placed_sums(cells, LATTICE, example[some], places[some], sigma=SIGMA, reach=reach)
        for some in (slice(0, 9), slice(9, None))
    ]
    return gains_of_places(parts[0] + parts[1], torch.tensor(len(example))).mean().item()


def test_places_are_the_centres_of_cells() -> None:
    places = LATTICE.places
    assert (places.shape, LATTICE.grid) == ((40, 2), (5, 8))
    assert places[0].tolist() == pytest.approx([0.1, 1 / 16])
    assert places[11].tolist() == pytest.approx([0.3, 7 / 16])


@pytest.mark.parametrize("at_once", [1, 100, 1 << 18])
def test_sums_are_those_of_the_formula(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "AT_ONCE", at_once)
    cells, anchors, places = _cells(0), _cells(1, 13), torch.rand(13, 2, generator=torch.Generator().manual_seed(2))
    looks = ((cells @ anchors.T - 1) / SIGMA).exp()
    near = _near(places)
    found = placed_sums(cells, LATTICE, anchors, places, sigma=SIGMA, reach=REACH)
    torch.testing.assert_close(found, torch.stack([looks, looks * near, near]).sum(2), rtol=1e-4, atol=1e-7)


def test_cells_may_lie_elsewhere_and_far_away_may_count_less() -> None:
    cells, anchors, places = _cells(0), _cells(1, 13), torch.rand(13, 2, generator=torch.Generator().manual_seed(2))
    moved = Lattice(0.9 * LATTICE.heights + 0.1, 1.2 * LATTICE.widths - 0.2)
    near = (-torch.cdist(moved.places, places).square() / (2 * REACH**2)).exp() + 0.01
    looks = ((cells @ anchors.T - 1) / SIGMA).exp()
    found = placed_sums(cells, moved, anchors, places, sigma=SIGMA, reach=REACH, anywhere=0.01)
    torch.testing.assert_close(found, torch.stack([looks, looks * near, near]).sum(2), rtol=1e-4, atol=1e-7)


def test_the_gain_is_the_mean_difference_of_log_likelihoods() -> None:
    cells, example = _cells(3), _cells(4)
    looks = ((cells @ example.T - 1) / SIGMA).exp()
    near = _near(LATTICE.places)
    wanted = ((looks * near).sum(1) / near.sum(1)).log() - looks.mean(1).log()
    assert _gain(cells, example) == pytest.approx(wanted.mean().item(), abs=1e-4)


def test_pictures_taken_alike_gain_by_their_places_and_others_do_not() -> None:
    example = _cells(5)
    alike = F.normalize(example + 0.1 * _cells(6), dim=1)
    shuffled = alike[torch.randperm(40, generator=torch.Generator().manual_seed(7))]
    assert _gain(alike, example) > 0.5 > _gain(shuffled, example)
    assert _gain(example[:1].expand(40, -1), example[:1].expand(40, -1)) == pytest.approx(0, abs=1e-5)
    assert math.isfinite(_gain(-example, example))


def test_without_a_reach_nothing_is_gained() -> None:
    assert _gain(_cells(5), _cells(5), reach=0) == pytest.approx(0, abs=1e-5)
