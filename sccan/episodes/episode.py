"""An episode: which pictures (`EpisodeSpec`), and the tensors made from them (`Episode`).

Letters: B episodes, N ways, K shots, Q queries, C channels, H W picture or map size.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class EpisodeSpec:
    """Which classes and which pictures make one episode; pictures are numbers into a `ClassIndex`.

    Attributes:
        number: position of the episode in its plan.
        classes: class numbers of the data set, one per way (segmentation: exactly one).
        support: picture numbers, N x K.
        query: picture numbers, N x Q (segmentation: one way, and one query in training and testing).
    """

    number: int
    classes: tuple[int, ...]
    support: tuple[tuple[int, ...], ...]
    query: tuple[tuple[int, ...], ...]

    @property
    def pictures(self) -> tuple[int, ...]:
        """Every picture number, queries first, in order."""
        return tuple(number for way in (*self.query, *self.support) for number in way)


@dataclass(frozen=True)
class Features:
    """Backbone maps of a set of pictures that share one size.

    Attributes:
        maps: stage name -> map [..., C, h, w]; the leading dimensions (a flat number of pictures, or [B, K]) are the
            same for every stage.
        image_size: height and width of the pictures that were encoded.
    """

    maps: dict[str, Tensor]
    image_size: tuple[int, int]

    @property
    def deepest(self) -> str:
        """The stage whose map has the most channels; of several the last by name, since names count up."""
        return max(self.maps, key=lambda name: (self.maps[name].shape[-3], name))

    def view(self, *leading: int) -> Features:
        """The same maps with the leading dimensions replaced, for instance a flat B * K by (B, K)."""
        maps = {name: value.reshape(*leading, *value.shape[-3:]) for name, value in self.maps.items()}
        return Features(maps, self.image_size)

    def split(self, first: int) -> tuple[Features, Features]:
        """The first `first` pictures and the rest, along a single leading dimension."""
        head = {name: value[:first] for name, value in self.maps.items()}
        tail = {name: value[first:] for name, value in self.maps.items()}
        return Features(head, self.image_size), Features(tail, self.image_size)

    def to(self, device: torch.device | str) -> Features:
        return Features(
            {name: value.to(device, non_blocking=True) for name, value in self.maps.items()}, self.image_size
        )


@dataclass(frozen=True)
class Episode:
    """A batch of B episodes of equal shape.

    Pictures come as images or, where the backbone is frozen and the transform fixed, as features computed earlier;
    at least one of the two is there for support and for query. K and Q are read from the tensors.

    Attributes:
        support_images: [B, K, 3, H, W] (classification: N * K pictures), float32 normalised, or uint8 before that.
        support_labels: segmentation: masks [B, K, H, W], int64 in {0, 1, 255}; classification: ways [B, N * K].
        query_images: [B, Q, 3, H, W], likewise.
        query_labels: segmentation: masks [B, Q, H, W]; classification: ways [B, Q].
        classes: class numbers of the data set, [B, N].
        numbers: positions of the episodes in their plan, [B].
        support_features: maps [B, K, C, h, w] instead of images.
        query_features: maps [B, Q, C, h, w] instead of images.
        query_base_labels: every base class in the queries [B, Q, H, W]: 0 background, 1.. the base classes in order,
            255 ignored; only where a loss asks for it.
    """

    support_images: Tensor | None
    support_labels: Tensor
    query_images: Tensor | None
    query_labels: Tensor
    classes: Tensor
    numbers: Tensor
    support_features: Features | None = None
    query_features: Features | None = None
    query_base_labels: Tensor | None = None

    @property
    def n_shot(self) -> int:
        """Support pictures per episode."""
        return self.support_labels.shape[1]

    def to(self, device: torch.device | str) -> Episode:
        """The same episode with every tensor on `device`."""
        moved = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                value = value.to(device, non_blocking=True)
            elif isinstance(value, Features):
                value = value.to(device)
            moved[field.name] = value
        return Episode(**moved)

    def pin_memory(self) -> Episode:
        """Called by torch's loader: tensors in page-locked memory, so that the copy to the device is asynchronous."""
        pinned: dict[str, Any] = {
            field.name: value.pin_memory()
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return dataclasses.replace(self, **pinned)
