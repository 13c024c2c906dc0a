"""Pictures much larger than the network's input, cut into overlapping tiles whose predictions are blended.

Every tile counts fully in its middle and less and less towards the edges it shares with a neighbour, so that no seam
shows. Weights are made per axis: at every position those of all tiles add to 1, and so do their products.
Letters: n side of a picture, t side of a tile, h w picture size, C maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

OVERLAP = 0.25
"""Smallest share of a tile that lies over its neighbour."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis.

    Attributes:
        start: its first position.
        weights: how much it counts at each of its positions, float32 [t], in (0, 1].
    """

    start: int
    weights: np.ndarray

    @property
    def slice(self) -> slice:
        """Its positions."""
        return slice(self.start, self.start + len(self.weights))


def spans(length: int, tile: int, overlap: float = OVERLAP) -> list[Span]:
    """The fewest tiles that cover an axis with at least the overlap asked for, evenly spread.

    Args:
        length: n, in pixels.
        tile: t, in pixels; 0: one tile for all.
        overlap: share of a tile that lies over its neighbour at least, in [0, 1).
    """
    if length < 1 or tile < 0 or not 0 <= overlap < 1:
        raise ValueError(f"cannot cut {length} pixels into tiles of {tile} with overlap {overlap}")
    if tile == 0 or length <= tile:
        return [Span(0, np.ones(length, np.float32))]
    shared = min(max(round(tile * overlap), 1), tile - 1)
    count = -(-(length - shared) // (tile - shared))
    starts = [round(number * (length - tile) / (count - 1)) for number in range(count)]
    raw = [_ramp(tile, shared, first=start == 0, last=start + tile == length) for start in starts]
    total = np.zeros(length)
    for start, weights in zip(starts, raw, strict=True):
        total[start : start + tile] += weights
    return [
        Span(start, (weights / total[start : start + tile]).astype(np.float32))
        for start, weights in zip(starts, raw, strict=True)
    ]


def _ramp(tile: int, shared: int, *, first: bool, last: bool) -> np.ndarray:
    """Rising over `shared` positions and falling likewise, never 0; flat at the picture's own edges."""
    rising = np.minimum(np.arange(1, tile + 1) / (shared + 1), 1)
    left = np.ones(tile) if first else rising
    right = np.ones(tile) if last else rising[::-1]
    return np.minimum(left, right)


@dataclass(frozen=True)
class Tile:
    """One tile of a picture: the positions of its rows and of its columns."""

    rows: Span
    columns: Span

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The tile's part of a picture [h, w, ...]."""
        return image[self.rows.slice, self.columns.slice]

    def add(self, maps: np.ndarray, to: np.ndarray) -> None:
        """Blend the tile's maps [C, t, t'] into those of the whole picture [C, h, w], in place."""
        weights = self.rows.weights[:, None] * self.columns.weights
        to[:, self.rows.slice, self.columns.slice] += maps * weights


def tiles(size: tuple[int, int], tile: int, overlap: float = OVERLAP) -> Iterator[Tile]:
    """The tiles of a picture of some height and width, row by row.

    Args:
        size: h, w.
        tile: side of a tile in pixels; 0: the whole picture is one.
        overlap: see `spans`.
    """
    rows, columns = (spans(side, tile, overlap) for side in size)
    for row, column in itertools.product(rows, columns):
        yield Tile(row, column)
