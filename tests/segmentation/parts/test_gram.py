"""Gram matrices and the scene difference, against plain loops and hand-worked numbers."""

import math

import torch

from sccan.segmentation.parts.gram import gram_matrix, scene_difference


def test_the_gram_matrix_is_the_published_formula() -> None:
    maps = torch.randn(2, 3, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    out = gram_matrix(maps)
    assert out.shape == (2, 3, 4, 4)
    for i in range(4):
        for j in range(4):
            first, second = maps[1, 2, i].flatten(), maps[1, 2, j].flatten()
            want = (first @ second) / (first.norm() * second.norm() + 1e-7)
            torch.testing.assert_close(out[1, 2, i, j], want)


def test_a_channel_of_zeros_has_no_direction() -> None:
    maps = torch.ones(1, 2, 3, 5)
    maps[0, 1] = 0
    torch.testing.assert_close(gram_matrix(maps)[0], torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_the_difference_of_hand_made_matrices() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[1.0, 0.6], [0.8, 1.0]])
    torch.testing.assert_close(scene_difference(first, second), torch.tensor(math.sqrt(0.36 + 0.64) / 2))
    assert scene_difference(first, first) == 0


def test_half_precision_does_not_reach_the_norms() -> None:
    maps = torch.randn(1, 3, 17, 19, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gram_matrix(maps), gram_matrix(maps.clone()))
        assert gram_matrix(maps).dtype == torch.float32
    torch.testing.assert_close(gram_matrix(maps).diagonal(dim1=-2, dim2=-1), torch.ones(1, 3))
