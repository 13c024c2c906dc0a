"""Training on features that were computed once: a frozen backbone needs no picture twice.

Letters: B batch, K shots, H W picture size, V views, C channels, h w map size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sccan.backbones.pixels import normalize
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.episodes.plan import EpisodePlan, numpy_generator, python_generator
from sccan.segmentation.data.labels.masks import base_label_table, class_mask
from sccan.segmentation.data.sampling.pictures import PictureStore
from sccan.segmentation.data.transforms.published import TrainTransform


@dataclass(frozen=True, eq=False)
class View:
    """One transformed picture.

    Attributes:
        number: picture number * V + number of the view.
        image: normalised float32 [3, H, W].
        label: class numbers, uint8 [H, W].
    """

    number: int
    image: Tensor
    label: Tensor


class ViewLoader:
    """Makes the views of pictures: view v of picture n is the same whenever it is asked for."""

    def __init__(self, store: PictureStore, transforms: Sequence[TrainTransform], *, seed: int) -> None:
        """
        Args:
            store: decoded pictures.
            transforms: one per view, all with the same output size.
            seed: view v of picture n draws from (seed, v, n).
        """
        self.store, self.transforms, self.seed = store, tuple(transforms), seed

    def numbers(self, pictures: Sequence[int]) -> list[int]:
        """The numbers of all views of some pictures."""
        return [
            int(picture) * len(self.transforms) + view for picture in pictures for view in range(len(self.transforms))
        ]

    def load(self, number: int) -> View:
        """Raises InputError: the picture cannot be read."""
        picture, view = divmod(number, len(self.transforms))
        pixels, label = self.transforms[view](*self.store.read(picture), python_generator(self.seed, view, picture))
        return View(number, normalize(pixels) if pixels.dtype == torch.uint8 else pixels, label)


@dataclass(frozen=True)
class EncodedViews:
    """Features and labels of views, stacked.

    Attributes:
        maps: stage -> [views, C, h, w].
        labels: class numbers, uint8 [views, H, W].
        image_size: H, W.
        places: number of a view -> its position.
    """

    maps: dict[str, Tensor]
    labels: Tensor
    image_size: tuple[int, int]
    places: dict[int, int]

    @staticmethod
    def stack(features: Mapping[int, Features], labels: Mapping[int, Tensor]) -> EncodedViews:
        """From features with a leading dimension of 1 and labels, both by the number of a view."""
        numbers = list(features)
        first = features[numbers[0]]
        maps = {name: torch.cat([features[n].maps[name] for n in numbers]) for name in first.maps}
        stacked = torch.stack([labels[n] for n in numbers])
        return EncodedViews(maps, stacked, first.image_size, {n: place for place, n in enumerate(numbers)})


class ViewEpisodes:
    """Training batches put together from encoded views, by (epoch, batch).

    Every picture of an episode appears as one of its views, as it is or flipped left to right, drawn from (seed, epoch,
    number).
    """

    def __init__(
        self,
        views: EncodedViews,
        plan: EpisodePlan,
        *,
        n_views: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        base_classes: Sequence[int] = (),
        flip: float = 0.0,
    ) -> None:
        """
        Args:
            views: of all pictures of the plan.
            plan: which pictures make an episode.
            n_views: V.
            batch_size: episodes per batch and rank.
            seed: of the choice of views.
            rank, world_size: of this process, and their number; batches are dealt as `engine.batches.Batches` does.
            base_classes: where given, episodes carry the queries' labels of all these classes.
            flip: probability that a picture's maps are flipped: nearly the maps of the flipped picture.
        """
        self.flip = flip
        self.views, self.plan, self.n_views, self.batch_size, self.seed = views, plan, n_views, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.base_table = torch.from_numpy(base_label_table(base_classes)) if base_classes else None

    @property
    def steps_per_epoch(self) -> int:
        return len(self.plan) // (self.batch_size * self.world_size)

    def __call__(self, epoch: int, first_step: int) -> Iterator[Episode]:
        """This rank's batches of an epoch, from a batch on."""
        for step in range(first_step, self.steps_per_epoch):
            first = (step * self.world_size + self.rank) * self.batch_size
            yield self._batch(epoch, [self.plan.episode(epoch, first + offset) for offset in range(self.batch_size)])

    def _batch(self, epoch: int, specs: Sequence[EpisodeSpec]) -> Episode:
        places = torch.tensor([self._places(epoch, spec) for spec in specs])  # [B, 1 + K]
        flips = torch.from_numpy(np.stack([self._flips(epoch, spec) for spec in specs]))  # [B, 1 + K]
        labels = _flipped(self.views.labels[places], flips).numpy()
        masks = np.stack([class_mask(label, spec.classes[0]) for label, spec in zip(labels, specs, strict=True)])
        return Episode(
            support_images=None,
            support_labels=torch.from_numpy(masks[:, 1:]),
            query_images=None,
            query_labels=torch.from_numpy(masks[:, :1]),
            classes=torch.tensor([spec.classes for spec in specs]),
            numbers=torch.tensor([spec.number for spec in specs]),
            support_features=self._features(places[:, 1:], flips[:, 1:]),
            query_features=self._features(places[:, :1], flips[:, :1]),
            query_base_labels=self._base_labels(torch.from_numpy(labels[:, :1])),
        )

    def _places(self, epoch: int, spec: EpisodeSpec) -> list[int]:
        """Positions of the query's and the supports' views."""
        pictures = spec.pictures
        chosen = numpy_generator(self.seed, epoch, 2, spec.number).integers(self.n_views, size=len(pictures))
        return [self.views.places[n * self.n_views + int(view)] for n, view in zip(pictures, chosen, strict=True)]

    def _flips(self, epoch: int, spec: EpisodeSpec) -> np.ndarray:
        """Which of the query's and the supports' views are flipped, bool [1 + K]."""
        count = len(spec.pictures)
        return numpy_generator(self.seed, epoch, 3, spec.number).random(count) < self.flip

    def _features(self, places: Tensor, flips: Tensor) -> Features:
        maps = {
            name: _flipped(value[places.to(value.device)], flips.to(value.device))
            for name, value in self.views.maps.items()
        }
        return Features(maps, self.views.image_size)

    def _base_labels(self, labels: Tensor) -> Tensor | None:
        return None if self.base_table is None else self.base_table[labels.long()]


def _flipped(values: Tensor, flips: Tensor) -> Tensor:
    """Maps or labels [B, n, ..., W], mirrored where flips [B, n] say so."""
    if not flips.any():
        return values
    return torch.where(flips.view(*flips.shape, *[1] * (values.ndim - 2)), values.flip(-1), values)
