"""Whitening: the covariance it is made of, its floor, and channels that were left out."""

import torch

from sccan.segmentation.parts.whitening import within_whitening
from tests.segmentation.methods.plain_training_free import whitening_matrix


def _groups() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([3.0, 1.0, 0.3, 0.1])
    return torch.randn(9, 4, generator=generator) * spread, torch.randn(14, 4, generator=generator) * spread + 5


def test_it_is_the_inverse_root_of_the_shrunk_covariance() -> None:
    front, back = _groups()
    found = within_whitening(front, back)
    torch.testing.assert_close(found, whitening_matrix(front, back), rtol=1e-4, atol=1e-5)
    covariance = ((front.T.cov() * 8 + back.T.cov() * 13) / 21).double()
    shrunk = 0.05 * covariance + 0.95 * covariance.trace() / 4 * torch.eye(4)
    torch.testing.assert_close(found.double() @ shrunk @ found.double(), torch.eye(4).double(), rtol=0, atol=1e-4)


def test_channels_that_hold_nothing_count_in_the_mean_and_change_nothing_else() -> None:
    front, back = _groups()
    wide = [torch.cat([part, torch.zeros(len(part), 2)], 1) for part in (front, back)]
    torch.testing.assert_close(within_whitening(front, back, 6), within_whitening(*wide)[:4, :4], rtol=1e-4, atol=1e-5)


def test_single_cells_have_no_spread_and_the_floor_holds() -> None:
    found = within_whitening(torch.ones(1, 3), torch.zeros(1, 3))
    torch.testing.assert_close(found, 1000 * torch.eye(3))
