"""Maps of the classes of a picture, made when they are asked for. Letters: N classes, h w picture size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from sccan.segmentation.finding.tiles import Tile

MAPS_KEPT = 256 << 20
"""Bytes of the maps of one picture that are kept; larger ones are made class by class."""

AtSize = Callable[[Tensor, tuple[int, int]], np.ndarray]
"""Probabilities float32 [N, h, w] from margins [N, V, rows, columns], see `Segmenting.at_size`."""


class ClassMaps:
    """Probability of every class at every pixel, as an array float32 [N, h, w]: its maps are made when they are asked
    for.

    Many classes on a large picture are gigabytes; then no two maps are in memory at once. Few are made together and
    kept.

    Attributes:
        shape: N, h, w.
        dtype: of the maps.
    """

    def __init__(self, at_size: AtSize, pieces: Sequence[tuple[Tile, Tensor]], size: tuple[int, int]) -> None:
        """
        Args:
            at_size: makes maps [N, h, w] of margins, at a size.
            pieces: the tiles of the picture, and the margins of the answer for each.
            size: h, w.
        """
        self._at_size, self._pieces = at_size, pieces
        self.shape = (pieces[0][1].shape[0], *size)
        self.dtype = np.dtype(np.float32)
        self._kept: np.ndarray | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, number: int) -> np.ndarray:
        if 4 * int(np.prod(self.shape)) > MAPS_KEPT:
            return self._made(slice(number, number + 1))[0]
        return np.asarray(self)[number]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._kept is None:
            self._kept = self._made(slice(None))
        return self._kept.astype(dtype or self.dtype, copy=bool(copy))

    def _made(self, classes: slice) -> np.ndarray:
        height, width = self.shape[1:]
        if len(self._pieces) == 1:
            return self._at_size(self._pieces[0][1][classes], (height, width))
        maps = np.zeros((len(range(*classes.indices(len(self)))), height, width), np.float32)
        for tile, margins in self._pieces:
            tile.add(self._at_size(margins[classes], (len(tile.rows.weights), len(tile.columns.weights))), maps)
        return maps
