"""Where the cells of a picture lie in an example that was taken like it, but not from quite the same place.

One patient stands nearer than the next, a board lies a finger's breadth further left: the example's places are the
picture's, moved and scaled along each side. Every cell is expected where the example's anchors near it look like it;
the line through what is expected moves all cells together, and from there they look again through a narrower kernel.

Letters: A anchors, C channels, h w grid, L = h * w cells.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from sccan.segmentation.parts.density import TINY, kernel_blocks
from sccan.segmentation.parts.places import LOOKS, Lattice, axis_kernels, gains_of_places, placed_sums

TURNS, NARROWER = 3, 0.7
"""How often cells are moved, and how much narrower the kernel of places becomes every time."""
EVERY = 2
"""Of every so many rows and columns one is looked at: a line of two numbers needs no more."""
SELDOM = 0.03
"""What an anchor far away counts once cells are where they belong, beside 1 at the same place."""

Marked = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Anchors of length one [A, C] and their places [A, 2], of an example's foreground and of its background."""


def aligned_sums(
    wide: Tensor, cells: Tensor, lattice: Lattice, example: Marked, *, sigma: float, reach: float
) -> Tensor:
    """`placed_sums` over an example, aligned with the picture where that foretells it better, [2, 3, L].

    Whether it does is asked of the cells that look like foreground and of those that look like background, and those
    that gain less decide: a scene that stands still does not speak for what moves in it.

    Args:
        wide: the sums as they are without, over the foreground and over the background.
        cells: of length one, all of a picture's, [L, C].
        lattice: where they lie in their picture.
        example: that they are compared with.
        sigma, reach: of `wide`.
    """
    moved = _aligned(cells, lattice, example, sigma, reach)
    narrowest = reach * NARROWER**TURNS
    compare = functools.partial(placed_sums, cells, moved, sigma=sigma, reach=narrowest, anywhere=SELDOM)
    narrow = torch.stack([compare(*group) for group in example])
    count = cells.new_full((), sum(len(anchors) for anchors, _ in example))
    return narrow if _lesser_gain(narrow, count) > _lesser_gain(wide, count) else wide


def _aligned(cells: Tensor, lattice: Lattice, example: Marked, sigma: float, reach: float) -> Lattice:
    """Where the cells lie in the example."""
    anchors, places = (torch.cat(both) for both in zip(*example, strict=True))
    few = cells.unflatten(0, lattice.grid)[::EVERY, ::EVERY].flatten(0, 1)
    looks = torch.cat([values.clone() for _, values in kernel_blocks(few, anchors, sigma)], 1)
    moved = lattice
    for turn in range(TURNS):
        at = Lattice(*(side[::EVERY] for side in moved))
        mass, expected = _expected(looks, at, places, reach * NARROWER**turn)
        lines = (_line(side, expected[axis], mass) for axis, side in enumerate(at.places.T))
        moved = Lattice(*(scale * side + shift for side, (scale, shift) in zip(moved, lines, strict=True)))
    return moved


def _expected(looks: Tensor, lattice: Lattice, places: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Kernel values of every cell's anchors together [L], and height and width of these, weighted by them, [2, L].

    Args:
        looks: kernel values of looks, of all cells with all anchors, [L, A].
        lattice: where the cells lie.
        places: of the anchors, [A, 2].
        reach: width of the kernel of places.
    """
    rows, columns = axis_kernels(lattice, places, reach)
    weighted = torch.stack([rows, rows * places[:, 0], rows * places[:, 1]], -1)
    mass, *moments = ((looks.view(*lattice.grid, -1) * columns) @ weighted).flatten(0, 1).T
    return mass, torch.stack(moments) / mass.clamp_min(TINY)


def _line(along: Tensor, expected: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift that bring places to where they are expected, by weighted least squares."""
    shares = weights / weights.sum().clamp_min(TINY)
    middle, wanted = (shares * along).sum(), (shares * expected).sum()
    spread = (shares * (along - middle).square()).sum()
    scale = (shares * (along - middle) * (expected - wanted)).sum() / spread.clamp_min(TINY)
    return scale, wanted - scale * middle


def _lesser_gain(sums: Tensor, count: Tensor) -> Tensor:
    """Mean gain by places of cells that look like foreground or like background, whichever is less, [].

    Args:
        sums: over foreground and background, [2, 3, L].
        count: of all anchors, [].
    """
    alike = sums[:, LOOKS] / sums[:, LOOKS].sum(0).clamp_min(TINY)
    means = (alike * gains_of_places(sums.sum(0), count)).sum(1) / alike.sum(1)
    return means.nan_to_num(torch.inf).min()  # an example without either asks the other alone
