"""Regions of a picture: cells that look alike, joined by average linkage (INSID3).

Letters: L cells, C channels, G regions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sccan.errors import needs

ROWS = 256
"""Cells whose similarities are computed at a time."""


def regions_of(cells: Tensor, tau: float) -> Tensor:
    """Average-linkage clusters of distance 1 - cosine, cut at 1 - tau: the number of every cell's region, int64 [L].

    Numbers count up in the order in which regions appear.

    Args:
        cells: of length one, [L, C].
        tau: mean cosine above which two regions are joined.
    """
    if len(cells) == 1:
        return torch.zeros(1, dtype=torch.int64, device=cells.device)
    with needs("INSID3", "scientific"):
        from scipy.cluster.hierarchy import fcluster, linkage  # takes a second

    tree = linkage(condensed_distances(cells), "average")
    return first_come(torch.from_numpy(fcluster(tree, 1 - tau, "distance"))).to(cells.device)


def condensed_distances(cells: Tensor) -> np.ndarray:
    """1 - cosine of every pair of cells i < j of length one [L, C], row by row, float64 [L (L - 1) / 2].

    The pairs are computed once each, and never as a square matrix.
    """
    length = len(cells)
    found, filled = np.empty(length * (length - 1) // 2), 0
    for first in range(0, length, ROWS):
        some = cells[first : first + ROWS]
        cosines = (some @ cells[first:].T).cpu().numpy()
        upper = cosines[np.triu(np.ones(cosines.shape, bool), k=1)]
        found[filled : filled + len(upper)] = upper
        filled += len(upper)
    np.clip(found, -1, 1, out=found)
    return np.subtract(1, found, out=found)


def first_come(numbers: Tensor) -> Tensor:
    """Any numbers [L], replaced by 0, 1, 2 ... in the order of their first appearance."""
    _, inverse = numbers.unique(return_inverse=True)
    places = torch.arange(len(numbers))
    first = torch.full((int(inverse.max()) + 1,), len(numbers)).scatter_reduce(0, inverse, places, "amin")
    return first.argsort().argsort()[inverse]


def region_means(values: Tensor, regions: Tensor) -> Tensor:
    """Mean over every region, [G, ...] of one value per cell [L, ...].

    Args:
        values: [L, ...].
        regions: numbers from 0 on, none left out, [L].
    """
    sizes = regions.bincount()
    sums = values.new_zeros(len(sizes), *values.shape[1:]).index_add_(0, regions, values)
    return sums / sizes.view(-1, *[1] * (values.dim() - 1))
