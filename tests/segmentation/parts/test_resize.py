"""Interpolation with the corners aligned, by hand."""

import torch

from sccan.segmentation.parts.resize import resize


def test_corners_stay_and_the_middle_is_the_mean() -> None:
    maps = torch.tensor([[0.0, 1.0, 4.0]]).expand(2, 3, 1, 1, 3)
    got = resize(maps, (2, 5))
    assert got.shape == (2, 3, 1, 2, 5)
    torch.testing.assert_close(got[1, 2, 0], torch.tensor([[0.0, 0.5, 1.0, 2.5, 4.0]]).expand(2, 5))


def test_the_same_size_is_the_same_map() -> None:
    maps = torch.rand(2, 3, 4, 5)
    assert resize(maps, (4, 5)) is maps


def test_the_layout_of_the_memory_is_kept_and_changes_nothing() -> None:
    maps = torch.rand(2, 5, 6, 7)
    expected = resize(maps, (9, 4))
    for leading in ((2,), (1, 2), (2, 1)):
        got = resize(maps.contiguous(memory_format=torch.channels_last).view(*leading, 5, 6, 7), (9, 4))
        assert got.shape == (*leading, 5, 9, 4)
        torch.testing.assert_close(got.reshape(2, 5, 9, 4), expected)
    alone = maps[:1].contiguous(memory_format=torch.channels_last)
    got = resize(alone.view(1, 1, 5, 6, 7), (9, 4))
    assert got.stride()[-3:] == (1, 4 * 5, 5)
    torch.testing.assert_close(got[0], expected[:1])
