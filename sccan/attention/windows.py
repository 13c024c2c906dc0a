"""Maps cut into square windows, and put together again.

Letters: N maps, H W map, C channels, M windows (row-major), P = window * window tokens per window.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class WindowLayout:
    """How a map of one size is cut into windows.

    The map is padded with zeros: `shift` rows above and `shift` columns on the left, and below and on the right as
    many as complete the last window. With a shift of half a window and sides that are multiples of the window, the
    padding is `shift` on every side, as in SCCAN's published code (which is not the cyclic roll of Swin). Sides that
    are no multiples of the window are this project's extension.

    Attributes:
        size: height and width of the map.
        window: side of a window, in cells.
        shift: rows and columns of padding above and on the left.
    """

    size: tuple[int, int]
    window: int
    shift: int = 0

    @property
    def windows(self) -> tuple[int, int]:
        """Windows down and across."""
        height, width = self.size
        return -(-(height + self.shift) // self.window), -(-(width + self.shift) // self.window)

    @property
    def count(self) -> int:
        """M, the number of windows."""
        down, across = self.windows
        return down * across

    def split(self, maps: Tensor) -> Tensor:
        """Cut maps [N, H, W, C] into windows [N, M, P, C]; cells outside of the map are zeros."""
        (height, width), (down, across), side = self.size, self.windows, self.window
        right, bottom = across * side - width - self.shift, down * side - height - self.shift
        if self.shift or right or bottom:
            maps = F.pad(maps, (0, 0, self.shift, right, self.shift, bottom))
        tiles = maps.reshape(-1, down, side, across, side, maps.shape[-1]).transpose(2, 3)
        return tiles.reshape(-1, self.count, side * side, maps.shape[-1])  # [N, M, P, C]

    def join(self, windows: Tensor) -> Tensor:
        """Put windows [N, M, P, C] together to maps [N, H, W, C]; the padding is cut off."""
        (height, width), (down, across), side = self.size, self.windows, self.window
        tiles = windows.reshape(-1, down, across, side, side, windows.shape[-1]).transpose(2, 3)
        maps = tiles.reshape(-1, down * side, across * side, windows.shape[-1])  # [N, H', W', C]
        return maps[:, self.shift : self.shift + height, self.shift : self.shift + width]
