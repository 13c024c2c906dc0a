"""From backbone stages to working features: what PFENet, BAM and SCCAN share before their own ideas begin.

Letters: C channels, h w map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sccan.episodes.episode import Features
from sccan.pointwise import PointwiseConv2d, pointwise, pointwise_maps
from sccan.segmentation.parts.resize import resize


def merged_stages(features: Features, names: Sequence[str]) -> Tensor:
    """The maps of several stages concatenated, brought to the size of the first, [N, C1 + C2 ..., h, w].

    N is the product of the leading dimensions: four dimensions keep the maps' memory layout.
    """
    first, *others = (features.maps[name].flatten(0, -4) for name in names)
    size = (first.shape[-2], first.shape[-1])
    return torch.cat([first, *(resize(other, size) for other in others)], dim=1)


def down_projection(in_channels: int, channels: int, dropout: float) -> nn.Sequential:
    """Merged stages reduced to the working channels: 1x1 convolution, ReLU, channel dropout."""
    return nn.Sequential(PointwiseConv2d(in_channels, channels, bias=False), nn.ReLU(), nn.Dropout2d(dropout))


def merge(layer: nn.Conv2d, features: Tensor, vector: Tensor, extra: Tensor) -> Tensor:
    """A 1x1 convolution without bias of features, a vector spread over the map, and one more map, in this order.

    It adds up what the three contribute, so that neither the spread nor the concatenation is made.

    Args:
        layer: 2 C + 1 channels to D.
        features: [N, C, h, w].
        vector: [N, C].
        extra: [N, 1, h, w].

    Returns:
        [N, D, h, w].
    """
    of_features, of_vector, of_extra = layer.weight.split([features.shape[1], vector.shape[1], 1], dim=1)
    constant = pointwise(vector, of_vector.flatten(1))[..., None, None]  # [N, D, 1, 1]
    return pointwise_maps(features, of_features) + constant + extra * of_extra.view(1, -1, 1, 1)
