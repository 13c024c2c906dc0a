"""DropBlock: whole squares of a map are dropped in training (Ghiasi, Lin, Le; NeurIPS 2018), as DMF uses it.

Letters: N pictures, C channels, H W map size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.errors import InputError


def kept_share(calls: Tensor, rate: float, ramp: int) -> Tensor:
    """Share of the map to keep, falling linearly from 1 to 1 - rate over the first `ramp` calls."""
    return (1 - rate * calls / ramp).clamp(min=1 - rate)


def dropblock(maps: Tensor, keep: Tensor, size: int) -> Tensor:
    """Drop squares of random maps, drawn from torch's generator for the maps' device.

    Args:
        maps: [N, C, H, W].
        keep: share to keep, a scalar on the same device.
        size: side of the squares, in cells.

    Raises InputError: the maps are smaller than a square.
    """
    height, width = maps.shape[-2:]
    rows, columns = height - size + 1, width - size + 1
    if min(rows, columns) < 1:
        raise InputError(
            f"DropBlock drops squares of {size}x{size} cells, but the map is {height}x{width}; lower the block size, "
            "or make the pictures larger"
        )
    # The density of seeds at which the share 1 - keep is dropped, were squares never to overlap.
    density = (1 - keep) / size**2 * (height * width) / (rows * columns)
    seeds = torch.rand(*maps.shape[:2], rows, columns, device=maps.device) < density
    return scaled(maps, block_mask(seeds, size))


def block_mask(seeds: Tensor, size: int) -> Tensor:
    """1 where a map is kept, 0 in the squares whose top left corners are the seeds; none crosses the border.

    A max-pool of the seeds, where published code lists every dropped cell.

    Args:
        seeds: booleans [N, C, H - size + 1, W - size + 1].

    Returns:
        float32 [N, C, H, W].
    """
    padded = F.pad(seeds.float(), (size - 1,) * 4)
    return 1 - F.max_pool2d(padded, size, stride=1)


def scaled(maps: Tensor, mask: Tensor) -> Tensor:
    """Masked maps, multiplied by one factor for the whole batch that makes up for what is missing."""
    return maps * (mask * (mask.numel() / mask.sum()))
