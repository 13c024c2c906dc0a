"""Density ratios from anchors: how much nearer a cell lies to the foreground's cells than to the background's (FROST).

The kernel is exp((t . a - 1) / sigma) of unit vectors, which never exceeds 1, so densities are plain sums.
Letters: n query cells, A anchors, C channels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 512
"""Anchors whose similarities with others are computed at a time."""
AT_ONCE = 1 << 18
"""Similarities of cells that are held at a time: as many as stay in a core's own cache."""
TINY = 1e-38
"""Least density of float32; a kernel narrower than 0.025 can underflow between opposite cells."""


class Bandwidth(NamedTuple):
    """A kernel's width and what speaks for it.

    Attributes:
        sigma: the width.
        margin: mean log density ratio of the foreground's anchors less that of the background's, own terms left out.
    """

    sigma: float
    margin: float


def log_ratio(foreground: Tensor, n_foreground: int | Tensor, background: Tensor, n_background: int | Tensor) -> Tensor:
    """Log of the ratio of mean kernel values, from their sums [...] over so many anchors or over weights [...]."""
    return log_mean(foreground, n_foreground) - log_mean(background, n_background)


def log_mean(sums: Tensor, count: int | Tensor) -> Tensor:
    """Log of a mean from a sum, finite."""
    logarithm = count.float().log() if isinstance(count, Tensor) else math.log(count)  # a tensor where a graph is made
    return sums.clamp_min(TINY).log() - logarithm


def kernel_blocks(cells: Tensor, anchors: Tensor, sigma: float) -> Iterator[tuple[slice, Tensor]]:
    """Kernel values of all cells with some anchors at a time: which, and [n, some], which the next block overwrites.

    Nothing of it can be differentiated.

    Args:
        cells: of length one, [n, C].
        anchors: of length one, [A, C].
        sigma: width of the kernel.
    """
    least = cells.new_full((1,), -1 / sigma)
    if torch.jit.is_tracing():  # a graph takes any number of anchors
        yield slice(None), torch.addmm(least, cells, anchors.T, alpha=1 / sigma).exp()
        return
    cells = cells.contiguous()  # products of rows in one piece are quicker
    held = cells.new_empty(max(AT_ONCE, len(cells)))
    step = len(held) // max(len(cells), 1)
    for first in range(0, len(anchors), step):
        some = slice(first, first + step)
        own = anchors[some]
        values = held[: len(cells) * len(own)].view(len(cells), len(own))
        yield some, torch.addmm(least, cells, own.T, alpha=1 / sigma, out=values).exp_()


def best_bandwidth(foreground: Tensor, background: Tensor, widths: Sequence[float]) -> Bandwidth:
    """The kernel width under which anchors are told apart best when their own terms are left out.

    Every pair of anchors is compared once, for all widths together. Of equally good widths the first wins; where a
    group has fewer than two anchors nothing can be left out and the first width is taken, with a margin of 0.

    Args:
        foreground: of length one, [A, C].
        background: of length one, [A, C].
        widths: to choose from.
    """
    counts = len(foreground), len(background)
    if min(counts) < 2:
        return Bandwidth(widths[0], 0.0)
    sums = kernel_sums(torch.cat([foreground, background]), counts[0], widths)
    margins = []
    for own in sums.double():
        inner_front, inner_back = own[: counts[0], 0], own[counts[0] :, 1]
        cross_front, cross_back = own[: counts[0], 1], own[counts[0] :, 0]
        front = log_ratio(inner_front, counts[0] - 1, cross_front, counts[1])
        back = log_ratio(cross_back, counts[0], inner_back, counts[1] - 1)
        margins.append(front.mean() - back.mean())
    best = int(torch.stack(margins).argmax())
    return Bandwidth(widths[best], float(margins[best]))


def kernel_sums(anchors: Tensor, n_foreground: int, widths: Sequence[float]) -> Tensor:
    """Sums of kernel values over all other anchors, [widths, A, 2]: over the foreground and over the background.

    Args:
        anchors: of length one, the foreground first, [A, C].
        n_foreground: how many are foreground.
        widths: of the kernels.
    """
    count = len(anchors)
    sums = anchors.new_zeros(len(widths), count, 2)
    edges = [*range(0, n_foreground, BLOCK), *range(n_foreground, count, BLOCK), count]
    blocks = [(slice(first, last), int(first >= n_foreground)) for first, last in itertools.pairwise(edges)]
    for place, (some, group) in enumerate(blocks):
        for others, other_group in blocks[place:]:
            dots = anchors[some] @ anchors[others].T - 1
            if others == some:
                dots.fill_diagonal_(-torch.inf)
            for kernel_sum, sigma in zip(sums, widths, strict=True):
                values = (dots / sigma).exp_()
                kernel_sum[some, other_group] += values.sum(1)
                if others != some:
                    kernel_sum[others, group] += values.sum(0)
    return sums
