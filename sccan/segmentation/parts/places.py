"""Whether pictures are taken alike, and what cells then tell by where they lie.

X-rays of one hospital, frames of a fixed camera, parts on a conveyor: what a cell shows can be foretold from the place
that it lies at. A kernel of looks is multiplied by one of places, and taken where the picture itself speaks for it: its
cells are likelier under the examples' cells near their own place than under all of them. No label is asked for that.

Letters: A anchors, C channels, h w grid, L = h * w cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sccan.segmentation.parts.density import TINY, kernel_blocks

ANYWHERE = 0.1
"""What an anchor counts however far away it lies, beside 1 at the same place: things move."""
LOOKS, BOTH, PLACES = 0, 1, 2
"""Rows of `placed_sums`."""


class Lattice(NamedTuple):
    """Where the cells of a picture lie, as shares of the sides of the picture that they are compared with.

    Attributes:
        heights: of the rows' centres, [h].
        widths: of the columns' centres, [w].
    """

    heights: Tensor
    widths: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        return len(self.heights), len(self.widths)

    @property
    def places(self) -> Tensor:
        """Height and width of every cell's centre, [L, 2]."""
        return torch.cartesian_prod(*self)


def own_lattice(grid: tuple[int, int], device: torch.device) -> Lattice:
    """Where the cells of a grid lie in their own picture."""
    return Lattice(*((torch.arange(cells, device=device) + 0.5) / cells for cells in grid))


def placed_sums(
    cells: Tensor,
    lattice: Lattice,
    anchors: Tensor,
    places: Tensor,
    *,
    sigma: float,
    reach: float,
    anywhere: float = ANYWHERE,
) -> Tensor:
    """Kernel values summed over the anchors, of every cell, [3, L]: of looks, of looks times places, of places.

    The kernel of places is exp(-d^2 / 2 reach^2) plus `anywhere`. Sums over several sets of anchors can be added.

    Args:
        cells: of length one, all of a picture's, [L, C].
        lattice: where these cells lie.
        anchors: of length one, [A, C].
        places: of the anchors, [A, 2].
        sigma: width of the kernel of looks.
        reach: width of the kernel of places, as a share of the picture's sides; 0: all places are alike.
        anywhere: what an anchor counts however far away it lies.
    """
    looks, both = cells.new_zeros(2, len(cells))
    rows, columns = axis_kernels(lattice, places, reach)  # their products are the kernel of places
    for some, values in kernel_blocks(cells, anchors, sigma):
        looks += values.sum(1)
        by_row = values.view(*lattice.grid, -1).mul_(columns[:, some])
        both += (by_row @ rows[:, some, None]).flatten()
    return torch.stack([looks, both + anywhere * looks, (rows @ columns.T).flatten() + anywhere * anchors.shape[0]])


def axis_kernels(lattice: Lattice, places: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Kernels of places along the height [h, A] and the width [w, A] of a lattice, exp(-d^2 / 2 reach^2) together."""
    if not reach:
        return places.new_ones(lattice.grid[0], len(places)), places.new_ones(lattice.grid[1], len(places))
    rows, columns = (
        ((along[:, None] - places[:, axis]).square() * (-0.5 / reach**2)).exp() for axis, along in enumerate(lattice)
    )
    return rows, columns


def gains_of_places(sums: Tensor, anchors: Tensor) -> Tensor:
    """Gain in log likelihood of a picture's cells where places are known, in nats, [L].

    Args:
        sums: of `placed_sums` over all anchors, [3, L].
        anchors: their number, [].
    """
    with_places = sums[BOTH].clamp_min(TINY).log() - sums[PLACES].log()
    return with_places - sums[LOOKS].clamp_min(TINY).log() + anchors.log()
