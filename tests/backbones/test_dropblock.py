"""DropBlock: the mask by hand, the ramp, the density and the refusal."""

import pytest
import torch

from sccan.backbones.dropblock import block_mask, dropblock, kept_share, scaled
from sccan.errors import InputError


def test_a_seed_is_the_top_left_corner_of_what_it_drops() -> None:
    seeds = torch.zeros(2, 1, 3, 4, dtype=torch.bool)  # maps of 4 x 5, squares of 2
    seeds[0, 0, 1, 2] = True
    seeds[1, 0, 2, 3] = True
    seeds[1, 0, 1, 2] = True  # overlaps the other
    first = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 1], [1, 1, 0, 0, 1], [1, 1, 1, 1, 1]])
    second = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    assert torch.equal(block_mask(seeds, 2), torch.stack([first, second]).unsqueeze(1).float())


def test_what_is_kept_is_scaled_by_one_factor_for_the_whole_batch() -> None:
    mask = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    assert scaled(torch.tensor([[[[3.0, 5.0]]], [[[6.0, 9.0]]]]), mask).flatten().tolist() == [4.0, 0.0, 8.0, 12.0]


def test_the_kept_share_falls_over_the_ramp_and_then_stays() -> None:
    shares = [float(kept_share(torch.tensor(calls), 0.1, 40_000)) for calls in (0, 20_000, 40_000, 90_000)]
    assert shares == pytest.approx([1.0, 0.95, 0.9, 0.9])


def test_the_expected_number_of_seeds_drops_the_share_that_is_not_kept() -> None:
    torch.manual_seed(0)
    maps = torch.ones(64, 64, 11, 9)
    result = dropblock(maps, torch.tensor(0.9), 5)
    dropped = float((result == 0).float().mean())
    assert 0.08 < dropped < 0.1  # a little less than 0.1, since squares overlap
    assert float(result.mean()) == pytest.approx(1, abs=1e-4)
    assert torch.equal(dropblock(maps, torch.tensor(1.0), 5), maps)


def test_maps_smaller_than_a_square_are_refused() -> None:
    with pytest.raises(InputError, match="squares of 5x5 cells, but the map is 4x6; lower the block size"):
        dropblock(torch.ones(1, 1, 4, 6), torch.tensor(0.9), 5)
