"""Density ratios: by hand, leave-one-out against its formula, the choice of a width, narrow kernels."""

import math

import pytest
import torch
import torch.nn.functional as F

from sccan.segmentation.parts import density
from sccan.segmentation.parts.density import best_bandwidth, kernel_blocks, kernel_sums, log_mean, log_ratio
from tests.segmentation.methods.plain_training_free import bandwidth

WIDTHS = (0.05, 0.1, 0.2, 0.5, 1.0)


def _anchors(n: int, centre: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, 6, generator=generator) + centre, dim=1)


def test_ratios_by_hand() -> None:
    """Of two foreground anchors one is met exactly and one lies opposite; the background anchor is at right angles."""
    sigma = 0.5
    front, back = torch.tensor([1 + math.exp(-2 / sigma)]), torch.tensor([math.exp(-1 / sigma)])
    found = log_ratio(front, 2, back, 1)
    assert found.item() == pytest.approx(math.log((1 + math.exp(-4)) / 2) + 2)
    assert log_mean(torch.zeros(1), 3).isfinite().all()


@pytest.mark.parametrize("block", [5, 512])
def test_sums_leave_the_own_term_out(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "BLOCK", block)
    anchors = torch.cat([_anchors(7, 1.0, 0), _anchors(11, -0.5, 1)])
    found = kernel_sums(anchors, 7, (0.1, 0.7))
    for sums, sigma in zip(found, (0.1, 0.7), strict=True):
        values = ((anchors @ anchors.T - 1) / sigma).exp().fill_diagonal_(0)
        torch.testing.assert_close(sums, torch.stack([values[:, :7].sum(1), values[:, 7:].sum(1)], 1))


@pytest.mark.parametrize("at_once", [1, 40, 1 << 18])
def test_a_few_anchors_at_a_time_have_the_kernel_values_of_the_formula(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(density, "AT_ONCE", at_once)
    cells, anchors = _anchors(13, 0.3, 0).T.contiguous().T, _anchors(29, 0.5, 1)
    found = torch.full((13, 29), -1.0)
    for some, values in kernel_blocks(cells, anchors, 0.03):
        found[:, some] = values
    torch.testing.assert_close(found, ((cells @ anchors.T - 1) / 0.03).exp(), rtol=1e-3, atol=0)
    assert not [*kernel_blocks(cells, anchors[:0], 0.03)]
    assert all(values.shape[0] == 0 for _, values in kernel_blocks(cells[:0], anchors, 0.03))


@pytest.mark.parametrize(("front", "back"), [(7, 11), (2, 30), (40, 2)])
def test_the_width_and_its_margin_are_those_of_the_formula(front: int, back: int) -> None:
    foreground, background = _anchors(front, 0.8, 2), _anchors(back, -0.2, 3)
    found, (sigma, margin) = best_bandwidth(foreground, background, WIDTHS), bandwidth(foreground, background, WIDTHS)
    assert found.sigma == sigma
    assert found.margin == pytest.approx(margin, abs=1e-4)


def test_the_first_of_equally_good_widths_wins_and_single_anchors_take_the_first() -> None:
    foreground, background = _anchors(5, 1.0, 4), _anchors(6, -1.0, 5)
    assert best_bandwidth(foreground, background, (0.3, 0.3)).sigma == 0.3
    assert best_bandwidth(foreground[:1], background, WIDTHS) == (0.05, 0.0)
    assert best_bandwidth(foreground, background[:1], (0.2, 0.1)) == (0.2, 0.0)


def test_kernels_too_narrow_for_float32_stay_finite() -> None:
    opposite = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    found = best_bandwidth(opposite[:2], opposite[2:], (0.001,))
    assert math.isfinite(found.margin)
    assert found.margin > 100
