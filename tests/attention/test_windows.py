"""Windows: where a cell goes, and that nothing is lost on the way."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.attention.windows import WindowLayout


def test_windows_are_row_major_and_so_are_their_tokens() -> None:
    maps = torch.arange(2 * 4 * 6).view(2, 4, 6, 1)
    windows = WindowLayout((4, 6), window=2).split(maps)
    assert windows.shape == (2, 6, 4, 1)
    assert windows[0, 0, :, 0].tolist() == [0, 1, 6, 7]
    assert windows[0, 2, :, 0].tolist() == [4, 5, 10, 11]
    assert windows[0, 3, :, 0].tolist() == [12, 13, 18, 19]
    assert windows[1, 0, :, 0].tolist() == [24, 25, 30, 31]


def test_a_shift_pads_zeros_above_and_on_the_left() -> None:
    maps = torch.arange(1, 17).view(1, 4, 4, 1)
    windows = WindowLayout((4, 4), window=2, shift=1).split(maps)
    assert windows.shape == (1, 9, 4, 1)
    assert windows[0, 0, :, 0].tolist() == [0, 0, 0, 1]
    assert windows[0, 4, :, 0].tolist() == [6, 7, 10, 11]
    assert windows[0, 8, :, 0].tolist() == [16, 0, 0, 0]


@pytest.mark.parametrize(("shift", "count"), [(0, 64), (4, 81)])
def test_the_published_grid_has_64_plain_and_81_shifted_windows(shift: int, count: int) -> None:
    assert WindowLayout((64, 64), window=8, shift=shift).count == count


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 13), st.integers(1, 13), st.integers(1, 5), st.data())
def test_join_undoes_split_for_any_size(height: int, width: int, window: int, data: st.DataObject) -> None:
    shift = data.draw(st.integers(0, window - 1))
    layout = WindowLayout((height, width), window, shift)
    maps = torch.arange(2.0 * height * width * 3).view(2, height, width, 3) + 1
    windows = layout.split(maps)
    assert windows.shape == (2, layout.count, window * window, 3)
    assert windows.sum() == maps.sum()
    assert torch.equal(layout.join(windows), maps)
