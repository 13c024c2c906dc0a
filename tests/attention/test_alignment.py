"""Patch alignment: numbers by hand, ties, masks that are empty or nearly so."""

import torch

from sccan.attention.alignment import align, support_prototypes


def test_prototypes_are_means_under_the_mask_and_empty_windows_are_invalid() -> None:
    windows = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]])  # [B=1, M=2, P=2, C=2]
    prototypes, valid = support_prototypes(windows, torch.tensor([[[0.5, 1.0], [0.0, 0.0]]]))
    torch.testing.assert_close(prototypes[0, 0], torch.tensor([3.5, 5.0]) / 1.5005)
    assert prototypes[0, 1].tolist() == [0.0, 0.0]
    assert valid.tolist() == [[True, False]]


def test_any_mass_that_float32_sees_makes_a_window_valid_and_less_does_not() -> None:
    windows = torch.ones(1, 3, 1, 1)
    _, valid = support_prototypes(windows, torch.tensor([[[1e-9], [1e-12], [0.0]]]))
    assert valid.tolist() == [[True, False, False]]


def test_each_query_window_takes_the_valid_window_of_the_nearest_direction() -> None:
    east, north, west = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
    support = torch.tensor([[east, north, west], [north, west, east]])
    valid = torch.tensor([[True, True, False], [True, True, True]])
    query = 3 * torch.tensor([east, north, west])[None, None, :, None].repeat(2, 2, 1, 4, 1)  # [B, Q, M, P, C]
    index = align(query, support, valid)
    # Episode 0 may not use its western window; north (cosine 0) then beats east (cosine -1).
    assert index.tolist() == [[[0, 1, 1]] * 2, [[2, 0, 1]] * 2]


def test_ties_go_to_the_lowest_index_and_so_does_an_empty_mask() -> None:
    query = torch.randn(1, 1, 5, 4, 3, generator=torch.Generator().manual_seed(0))
    same = torch.ones(1, 4, 3)
    assert align(query, same, torch.tensor([[False, True, True, True]])).tolist() == [[[1] * 5]]
    assert align(query, same, torch.zeros(1, 4, dtype=torch.bool)).tolist() == [[[0] * 5]]


def test_validity_and_choice_do_not_change_under_autocast() -> None:
    generator = torch.Generator().manual_seed(1)
    windows, query = (torch.randn(2, 6, 4, 8, generator=generator) for _ in range(2))
    mask = torch.zeros(2, 6, 4)
    mask[:, ::2, 0] = 1e-6  # lost in half precision beside 5e-4
    prototypes, valid = support_prototypes(windows, mask)
    index = align(query.unsqueeze(1), prototypes, valid)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half_prototypes, half_valid = support_prototypes(windows, mask)
        half_index = align(query.unsqueeze(1), half_prototypes, half_valid)
    assert half_valid.tolist() == valid.tolist() == [[True, False] * 3] * 2
    assert torch.equal(half_prototypes, prototypes)
    assert torch.equal(half_index, index)
