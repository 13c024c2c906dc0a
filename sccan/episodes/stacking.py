"""Pictures and features, known by number, as the batches that episodes hold.

Letters: B episodes, K pictures per episode, C channels, H W picture size, h w map size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from sccan.episodes.episode import Features


class HasImage(Protocol):
    """A picture of either task."""

    @property
    def image(self) -> Tensor:
        """Float32 [3, H, W]."""


def stack_images(numbers: Sequence[Sequence[int]], pictures: Mapping[int, HasImage]) -> Tensor:
    """Images of B rows of K picture numbers, [B, K, 3, H, W]."""
    return torch.stack([torch.stack([pictures[number].image for number in row]) for row in numbers])


def stack_features(numbers: Sequence[Sequence[int]], features: Mapping[int, Features]) -> Features:
    """Features, each with leading dimension [1], of B rows of K picture numbers: maps [B, K, C, h, w]."""
    parts = [features[number] for row in numbers for number in row]
    maps = {stage: torch.cat([part.maps[stage] for part in parts]) for stage in parts[0].maps}
    return Features(maps, parts[0].image_size).view(len(numbers), len(numbers[0]))
