"""Cells of a map: masks on the grid with both fallbacks, means, colours, dilation, back to pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.parts.cells import (
    at_grid,
    cell_masks,
    dilated,
    masked_means,
    mean_colours,
    on_grid,
    prototype,
    to_pixels,
    unit_cells,
)


def _rectangle(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(32, 48, dtype=torch.int64)
    mask[top:bottom, left:right] = 1
    return mask


def test_a_cell_is_foreground_where_the_four_pixels_at_its_centre_are_mostly() -> None:
    masks = torch.stack([_rectangle(0, 0, 16, 24), _rectangle(0, 0, 13, 21)])[None]  # [B=1, K=2, 32, 48]
    found = cell_masks(masks, (4, 6)).foreground.view(2, 4, 6)
    assert found[0, :2, :3].all()
    assert found[0].sum() == 6
    assert found[1].sum() == 6  # rows 11 and 12 of the second cell lie inside, as do columns 19 and 20
    assert torch.equal(found[0], found[1])


def test_an_object_smaller_than_a_cell_falls_back_to_the_nearest_pixel_and_then_to_its_centre() -> None:
    nearest, centre = _rectangle(8, 16, 9, 17), _rectangle(19, 9, 22, 12)
    found = cell_masks(torch.stack([nearest, centre])[None], (4, 6)).foreground.view(2, 4, 6)
    assert found[0].nonzero().tolist() == [[1, 2]]  # the top left pixel of that cell
    assert found[1].nonzero().tolist() == [[2, 1]]  # mean row 20 and column 10, cells of 8 x 8


def test_the_cell_of_the_centre_is_truncated_not_rounded() -> None:
    apart = _rectangle(1, 1, 2, 2) | _rectangle(1, 13, 2, 14)  # mean column 7: still the first cell
    assert cell_masks(apart[None], (4, 6)).foreground.nonzero().tolist() == [[0, 0]]


def test_an_empty_mask_has_no_cell_and_what_is_ignored_is_neither() -> None:
    labels = torch.zeros(2, 32, 48, dtype=torch.int64)
    labels[1, :, 24:] = 255
    masks = cell_masks(labels, (4, 6))
    assert not masks.foreground.any()
    assert masks.background.view(2, 4, 6).sum((1, 2)).tolist() == [24, 12]


@given(st.integers(0, 31), st.integers(0, 47), st.integers(1, 32), st.integers(1, 48))
@settings(max_examples=50, deadline=None)
def test_any_object_has_a_cell_and_no_cell_is_both(top: int, left: int, height: int, width: int) -> None:
    mask = _rectangle(top, left, top + height, left + width)
    foreground, background = cell_masks(mask[None], (4, 6))
    assert foreground.any()
    assert not (foreground & background).any()
    assert (foreground | background).all()


def test_cells_have_length_one_and_zeros_stay() -> None:
    maps = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 2, 1, 2)
    assert torch.equal(unit_cells(maps), torch.tensor([[[0.6, 0.8], [0.0, 0.0]]]))


def test_means_and_prototypes_by_hand() -> None:
    cells = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]], [[0.0, 4.0], [7.0, 7.0], [7.0, 7.0]]])  # [K, L, C]
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert masked_means(cells, mask).tolist() == [[0.5, 0.5], [0.0, 4.0]]
    sums = torch.tensor([0.5, 4.5])
    torch.testing.assert_close(prototype(cells, mask), sums / sums.norm())
    mask[0] = False  # an empty reference is left out: what remains is the other one's
    torch.testing.assert_close(prototype(cells, mask), torch.tensor([0.0, 1.0]))
    assert prototype(cells, torch.zeros_like(mask)).abs().max() == 0


def test_dilation_reaches_so_many_rows_and_columns() -> None:
    cells = torch.zeros(1, 5 * 7, dtype=torch.bool)
    cells[0, 2 * 7 + 3] = True
    assert torch.equal(dilated(cells, (5, 7), 0), cells)
    assert dilated(cells, (5, 7), 1).sum() == 9
    assert dilated(cells, (5, 7), 2).sum() == 25
    assert dilated(cells, (5, 7), 9).all()


def test_colours_are_means_of_cells() -> None:
    images = torch.rand(2, 3, 8, 12)
    wanted = images.unflatten(2, (2, 4)).unflatten(4, (3, 4)).mean((3, 5))
    torch.testing.assert_close(mean_colours(images, (2, 3)), wanted)


def test_pixels_lie_between_centres_of_cells() -> None:
    grid = on_grid(torch.tensor([[0.0, 1.0]]), (1, 2))
    assert grid.shape == (1, 1, 1, 2)
    assert to_pixels(grid, (1, 4)).flatten().tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])


def test_cells_of_another_grid_lie_between_the_centres_of_their_own() -> None:
    maps = torch.randn(2, 3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    found = at_grid(maps.flatten(-2).transpose(-1, -2).contiguous(), (4, 6), (8, 9))
    wanted = to_pixels(maps, (8, 9)).flatten(-2).transpose(-1, -2)
    torch.testing.assert_close(found, wanted)
    assert found.is_contiguous()
