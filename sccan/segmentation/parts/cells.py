"""A map as a set of cells, and what a mask or a picture says of each of them.

Letters: C channels, H W picture size, h w grid, L = h * w cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def unit_cells(maps: Tensor) -> Tensor:
    """Maps [..., C, h, w] as cells of length one, each in one piece, [..., L, C], float32; zeros stay zeros."""
    return F.normalize(maps.float().flatten(-2).transpose(-1, -2).contiguous(), dim=-1)


def at_grid(cells: Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Cells [..., L, C] of a grid as those of another one, bilinear between their centres.

    Channels lie side by side meanwhile, with which torch is several times as fast.
    """
    maps = cells.flatten(0, -3).unflatten(1, grid).permute(0, 3, 1, 2)  # [n, C, h, w]
    found = F.interpolate(maps, size=wanted, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    return found.flatten(1, 2).unflatten(0, cells.shape[:-2])


def on_grid(cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """One number per cell [..., L] as maps of one channel, [..., 1, h, w]."""
    return cells.unflatten(-1, grid).unsqueeze(-3)


def to_pixels(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [..., C, h, w] at the size of the picture, bilinear between the centres of cells, [..., C, H, W].

    Training-free methods are published with this rule, and not with aligned corners.
    """
    flat = F.interpolate(maps.flatten(0, -4), size=size, mode="bilinear", align_corners=False)
    return flat.unflatten(0, maps.shape[:-3])


class CellMasks(NamedTuple):
    """What masks say of cells.

    Attributes:
        foreground: of the object, bool [..., L].
        background: not of it; a cell that is mostly ignored is neither, bool [..., L].
    """

    foreground: Tensor
    background: Tensor


def cell_masks(labels: Tensor, grid: tuple[int, int]) -> CellMasks:
    """Masks on a grid as INSID3 and FROST reduce them.

    A cell is foreground where the mask, reduced bilinearly, exceeds a half. Of an object too small for that the
    nearest pixels are asked, and if these miss it as well, the cell of its centre stands for it. Published masks know
    no ignored pixels; here a cell of which more than half is ignored is no background either.

    Args:
        labels: 1 foreground, 0 background, 255 ignored, [..., H, W].
        grid: h, w.
    """
    flat = labels.flatten(0, -3)
    inside, known = ((part)[:, None].float() for part in (flat == 1, flat != 255))
    foreground = F.interpolate(inside, size=grid, mode="bilinear", align_corners=False) > 0.5
    empty = ~foreground.flatten(1).any(1)
    nearest = F.interpolate(inside, size=grid, mode="nearest") > 0.5
    foreground = torch.where(empty.view(-1, 1, 1, 1), nearest, foreground).flatten(1)  # [n, L]
    empty = ~foreground.any(1)
    foreground = foreground | (empty[:, None] & _centre_cells(inside[:, 0], grid))
    background = F.interpolate(known, size=grid, mode="bilinear", align_corners=False).flatten(1) > 0.5
    shape = (*labels.shape[:-2], grid[0] * grid[1])
    return CellMasks(foreground.view(shape), (background & ~foreground).view(shape))


def _centre_cells(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """The cell of every mask's centroid, bool [n, L]; none where a mask [n, H, W] is empty."""
    mass = masks.sum((-2, -1))
    cells = torch.zeros(len(masks), grid[0] * grid[1], dtype=torch.bool, device=masks.device)
    places = []
    for axis, cells_along in ((-2, grid[0]), (-1, grid[1])):
        pixels = torch.arange(masks.shape[axis], device=masks.device, dtype=masks.dtype)
        mean = (masks.sum(-3 - axis) * pixels).sum(-1) / mass.clamp_min(1)
        places.append((mean / (masks.shape[axis] / cells_along)).long())
    cells[torch.arange(len(masks)), places[0] * grid[1] + places[1]] = True
    return cells & (mass > 0)[:, None]


def mean_colours(images: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean colour of every cell, [N, 3, h, w], of pictures [N, 3, H, W] in [0, 1]."""
    return F.interpolate(images, size=grid, mode="area")


def dilated(cells: Tensor, grid: tuple[int, int], reach: int) -> Tensor:
    """Cells at most so many rows and columns from one of these, bool [..., L] of bool [..., L]."""
    maps = cells.float().view(-1, 1, *grid)
    return F.max_pool2d(maps, 2 * reach + 1, stride=1, padding=reach).view(cells.shape) > 0


def chessboard(grid: tuple[int, int], device: torch.device) -> Tensor:
    """Every second cell, in odd rows the others than in even ones, bool [L]."""
    rows, columns = (torch.arange(cells, device=device) for cells in grid)
    return ((rows[:, None] + columns) % 2 == 0).flatten()


def masked_means(cells: Tensor, mask: Tensor) -> Tensor:
    """Mean of the cells of a mask, [..., C] of cells [..., L, C] and mask bool [..., L]; zeros where it is empty."""
    weights = mask.to(cells.dtype)
    return (weights.unsqueeze(-2) @ cells).squeeze(-2) / weights.sum(-1, keepdim=True).clamp_min(1)


def prototype(cells: Tensor, mask: Tensor) -> Tensor:
    """Mean over references of their mean foreground cells, of length one, [..., C].

    References without a foreground cell are left out; zeros where that leaves none.

    Args:
        cells: [..., K, L, C].
        mask: foreground, bool [..., K, L].
    """
    return F.normalize(masked_means(cells, mask).sum(-2), dim=-1)
