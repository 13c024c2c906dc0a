"""The one interpolation between map sizes that SCCAN and BAM use."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation with the corners aligned; the same maps where the size is theirs already.

    Args:
        maps: [..., C, H, W].
        size: height and width to come.
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    flat = maps.reshape(-1, *maps.shape[-3:])
    is_written = torch.jit.is_tracing()
    if not is_written and flat.shape[1] > 1 and flat.is_contiguous(memory_format=torch.channels_last):
        # The stride of a single leading entry is arbitrary and hides the layout from torch, which then takes ten times
        # as long; this view spells it out.
        flat = flat.permute(0, 2, 3, 1).contiguous().view(len(flat), *maps.shape[-2:], -1).permute(0, 3, 1, 2)
    resized = F.interpolate(flat, size=size, mode="bilinear", align_corners=True)
    if maps.ndim == 3:
        return resized[0]
    return resized.reshape(*maps.shape[:-4], -1, maps.shape[-3], *size)  # in a graph, of any number of maps
