"""Cells of examples that other pictures' cells are compared with: whose they are, where they lie, how many are kept.

Letters: K examples, A anchors, C channels, h w grid, L = h * w cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from sccan.segmentation.parts.cells import CellMasks

MOST_ANCHORS = 4096
"""Cells that are kept of the foreground, and of the background; of more, every second, fourth, eighth ... is kept, so
that what is kept of an example changes seldom when another one joins it."""


@dataclass(frozen=True)
class Group:
    """Anchors of the foreground or of the background.

    Attributes:
        cells: of length one, [A, C].
        places: where they lie in their pictures, as of `Lattice`, [A, 2].
        counts: how many are of each example, in their order.
    """

    cells: Tensor
    places: Tensor
    counts: tuple[int, ...]

    def by_example(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Cells and places of one example after the other; all at once in a graph, which takes any number of them."""
        if torch.jit.is_tracing():
            yield self.cells, self.places
            return
        for first, last in pairwise(accumulate(self.counts, initial=0)):
            yield self.cells[first:last], self.places[first:last]


@dataclass(frozen=True)
class Anchors:
    """Anchors of a support set.

    Attributes:
        foreground, background: the anchors.
        log_odds: see there.
        names: of the examples' anchors, equal where these are; empty where nobody asks.
    """

    foreground: Group
    background: Group
    log_odds: float
    names: tuple[str, ...] = ()


def anchors_of(cells: Tensor, masks: CellMasks, places: Tensor, odds: float, names: Sequence[str] = ()) -> Anchors:
    """The anchors of examples.

    Args:
        cells: of length one, [K, L, C]; of several views, one after the other.
        masks: of these cells, [K, L].
        places: of these cells, as of `Lattice`, [L, 2].
        odds: see `log_odds`.
        names: of the examples' cells and masks; empty: anchors have none.
    """
    groups, steps = [], []
    for mask in masks:
        counts = mask.sum(1).tolist()
        step = 1
        while sum(-(-count // step) for count in counts) > MOST_ANCHORS:
            step *= 2
        chosen = [one.nonzero()[::step, 0] for one in mask]
        own = torch.cat([example[some] for example, some in zip(cells, chosen, strict=True)])
        groups.append(Group(own, places[torch.cat(chosen)], tuple(len(some) for some in chosen)))
        steps.append(step)
    return Anchors(groups[0], groups[1], odds, tuple(f"{name} {steps}" for name in names))


def log_odds(masks: CellMasks) -> float:
    """Log of the foreground's odds among all cells of the examples that show it; 0 where either is missing."""
    showing = masks.foreground.any(1)
    inside, beside = int(masks.foreground.sum()), int(masks.background[showing].sum())
    return math.log(inside / beside) if inside and beside else 0.0
