"""Smoothing on the grid: against the square matrix for any radius and shape, and what it must not do."""

import pytest
import torch
import torch.nn.functional as F

from sccan.segmentation.parts import smoothing
from sccan.segmentation.parts.smoothing import smoothed
from tests.segmentation.methods.plain_training_free import smooth


def _inputs(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    scores = 4 * torch.randn(height * width, generator=generator) - 9
    cells = F.normalize(torch.rand(height * width, 8, generator=generator), dim=1)
    return scores, cells, torch.rand(3, height, width, generator=generator)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("radius", [1.0, 1.5, 3.0, 16.0])
@pytest.mark.parametrize("size", [(7, 5), (1, 6), (6, 1), (9, 13)])
def test_the_square_matrix_gives_the_same(
    size: tuple[int, int], radius: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoothing, "ROWS", rows)
    scores, cells, colours = _inputs(*size)
    for steps in (1, 10):
        wanted = smooth(scores, cells, colours, radius, steps)
        torch.testing.assert_close(smoothed(scores, cells, colours, radius=radius, steps=steps), wanted)


def test_a_constant_stays_and_an_added_constant_passes_through() -> None:
    scores, cells, colours = _inputs(6, 7)
    constant = torch.full_like(scores, -3.0)
    torch.testing.assert_close(smoothed(constant, cells, colours, radius=4, steps=10), constant)
    once = smoothed(scores, cells, colours, radius=4, steps=10)
    torch.testing.assert_close(smoothed(scores + 5, cells, colours, radius=4, steps=10), once + 5, rtol=1e-4, atol=1e-4)
    assert once.std() < scores.std()


def test_cells_too_far_apart_do_not_touch_each_other() -> None:
    scores, cells, colours = _inputs(1, 9)
    changed = scores.clone()
    changed[-1] += 0.01
    one, other = (smoothed(some, cells, colours, radius=2, steps=1) for some in (scores, changed))
    assert (one - other)[:6].abs().max() < 1e-2
    assert (one - other)[-1].abs() > 1e-3


def test_a_single_cell_has_nobody_to_agree_with() -> None:
    one = torch.tensor([2.0])
    assert torch.equal(smoothed(one, torch.ones(1, 3), torch.ones(3, 1, 1), radius=4, steps=3), one)
