"""Pictures and features, known by number, as the batches that episodes hold.

Letters: B episodes, K pictures per episode, C channels, H W picture size, h w map size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from sccan.episodes.episode import Features

Item = TypeVar("Item")


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
    return joined([features[number] for row in numbers for number in row]).view(len(numbers), len(numbers[0]))


def batched(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """The items in their order, in lists of at most `count`; they are asked for as they are needed."""
    iterator = iter(items)
    while group := list(itertools.islice(iterator, count)):
        yield group


def joined(parts: Sequence[Features]) -> Features:
    """Features of several groups of pictures of one size, along their single leading dimension; maps that all have."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in parts[0].maps if all(name in part.maps for part in parts)]
    maps = {name: torch.cat([part.maps[name] for part in parts]) for name in names}
    return Features(maps, parts[0].image_size)


def picture_vectors(features: Features) -> Tensor:
    """The deepest maps [K, C, h, w] averaged over their positions, float32 [K, C] on the CPU."""
    return features.maps[features.deepest].float().mean((-2, -1)).cpu()
