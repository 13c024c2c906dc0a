"""Smoothing scores on the grid between cells that are near, look alike and have similar scores (FROST).

Letters: L = h * w cells, C channels, r radius.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ALIKE = 0.2
"""Width of the kernel of cosines."""
COLOUR = 0.05
"""Width of the kernel of squared differences of colour."""
KEEPS = 0.3
"""Share of the first scores in every step."""
SMALLEST = 1e-6
"""Of a row's sum, and beside a deviation."""
ROWS = 4
"""Rows of the grid whose cells are compared with others at a time."""


def smoothed(scores: Tensor, cells: Tensor, colours: Tensor, *, radius: float, steps: int) -> Tensor:
    """Scores [L] after so many steps l <- 0.3 l0 + 0.7 P l, rows of P being weights divided by their sums.

    Args:
        scores: of the cells, [L].
        cells: R, of length one, [L, C].
        colours: mean colours in [0, 1], [3, h, w].
        radius: r, in cells.
        steps: number of steps.
    """
    if len(scores) < 2:
        return scores
    weights = NeighbourWeights(scores, cells, colours, radius)
    sums = weights.sums_of(torch.ones_like(scores)).clamp_min(SMALLEST)
    found = scores
    for _ in range(steps):
        found = KEEPS * scores + (1 - KEEPS) * weights.sums_of(found) / sums
    return found


class NeighbourWeights:
    """exp(R_a . R_b / 0.2) exp(-|rgb_a - rgb_b|^2 / 0.05) exp(-(s_a - s_b)^2) of different cells at most r apart.

    s are the scores over their deviation. Weights are symmetric, so every pair is computed once, and rows of the grid
    that are farther apart than r are never compared. All three exponents are one inner product of vectors that hold
    cells, colours and scores, less what the lengths of the last two add to it.
    """

    def __init__(self, scores: Tensor, cells: Tensor, colours: Tensor, radius: float) -> None:
        """Args: see `smoothed`."""
        height, width = colours.shape[1:]
        near_in_rows = min(int(radius), height - 1)
        rgb, scaled = colours.flatten(1).T, scores[:, None] / (scores.std() + SMALLEST)
        others = torch.cat([(rgb - rgb.mean(0)) * COLOUR**-0.5, scaled - scaled.mean()], dim=1)  # [L, 4]
        lengths = others.square().sum(1)
        vectors = torch.cat([cells * ALIKE**-0.5, others * math.sqrt(2)], dim=1)  # [L, C + 4]
        self._step, reach = ROWS * width, (ROWS + near_in_rows) * width
        far = _far_apart(self._step, reach, width, radius, scores.device)
        self._blocks = []
        for first in range(0, len(scores), self._step):
            some, near = slice(first, first + self._step), slice(first, first + reach)
            exponents = (vectors[some] @ vectors[near].T).sub_(lengths[some, None]).sub_(lengths[near])
            self._blocks.append(exponents.masked_fill_(far[: len(exponents), : exponents.shape[1]], -torch.inf).exp_())

    def sums_of(self, values: Tensor) -> Tensor:
        """Every cell's weighted sum of the other cells' values, [L] of [L]."""
        sums = torch.zeros_like(values)
        for number, block in enumerate(self._blocks):  # pairs of a cell with later ones
            first = number * self._step
            rows, columns = block.shape
            sums[first : first + rows] += block @ values[first : first + columns]
            sums[first : first + columns] += values[first : first + rows] @ block
        return sums


def _far_apart(cells: int, others: int, width: int, radius: float, device: torch.device) -> Tensor:
    """Pairs of a first cell with one that is not later or more than the radius away, bool [cells, others]."""
    numbers = torch.arange(max(cells, others), device=device)
    rows, columns = numbers // width, numbers % width
    apart = [(place[None, :others] - place[:cells, None]).square() for place in (rows, columns)]
    return (numbers[None, :others] <= numbers[:cells, None]) | (apart[0] + apart[1] > radius**2)
