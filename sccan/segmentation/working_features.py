"""From backbone stages to working features: what PFENet, BAM and SCCAN share before their own ideas begin.

Letters: C channels, h w map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sccan.episodes.episode import Features
from sccan.segmentation.resize import resize


def merged_stages(features: Features, names: Sequence[str]) -> Tensor:
    """The maps of several stages concatenated, brought to the size of the first, [..., C1 + C2 ..., h, w]."""
    first, *others = (features.maps[name] for name in names)
    size = (first.shape[-2], first.shape[-1])
    return torch.cat([first, *(resize(other, size) for other in others)], dim=-3)


def down_projection(in_channels: int, channels: int, dropout: float) -> nn.Sequential:
    """Merged stages reduced to the working channels: 1x1 convolution, ReLU, channel dropout."""
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), nn.ReLU(), nn.Dropout2d(dropout))


def spread(vectors: Tensor, size: tuple[int, int]) -> Tensor:
    """Vectors [..., C] as constant maps [..., C, h, w]."""
    return vectors[..., None, None].expand(*vectors.shape, *size)
