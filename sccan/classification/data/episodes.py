"""Episodes from pictures with one class each: fixed ones for evaluation, augmented ones for training.

Training items are asked for by (epoch, number), and everything random about an item follows from (seed, epoch,
number), so a loader's workers, its batch size and a resumed run do not matter.
Letters: B episodes, N ways, K shots, Q queries per way, P = N * (K + Q) pictures, C channels, H W size of the input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from sccan.classification.accuracy import count_correct
from sccan.classification.data.pictures import Pictures
from sccan.classification.data.transforms import Augmentation, FixedTransform, stack_pixels
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.episodes.plan import EpisodePlan, python_generator
from sccan.episodes.stacking import stack_features, stack_images

Key = tuple[int, int]
"""Epoch, and number within the epoch."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, ready for the network.

    Attributes:
        number: into the split.
        name: unique name.
        image: normalised float32 [3, H, W].
    """

    number: int
    name: str
    image: Tensor


class ClassificationSource:
    """The episodes of a plan and the pictures they are made of.

    Attributes:
        specs: all episodes in order; those of one batch are of equal shape.
        pictures: of the split.
        transform: what every picture goes through.
    """

    def __init__(self, pictures: Pictures, specs: Sequence[EpisodeSpec], transform: FixedTransform) -> None:
        self.pictures, self.specs, self.transform = pictures, specs, transform

    def load(self, number: int) -> Picture:
        """Raises InputError: the picture cannot be decoded."""
        return Picture(number, self.pictures.names[number], self.transform(self.pictures.read(number)))

    def assemble(
        self,
        specs: Sequence[EpisodeSpec],
        pictures: Mapping[int, Picture],
        features: Mapping[int, Features] | None = None,
    ) -> Episode:
        """A batch of B episodes, way after way.

        Args:
            specs: the episodes.
            pictures: every picture they need, by number.
            features: likewise, each with leading dimension [1]; without them the batch holds the images instead.
        """
        support, query = ([_flat(getattr(spec, part)) for spec in specs] for part in ("support", "query"))
        return Episode(
            support_images=stack_images(support, pictures) if features is None else None,
            support_labels=way_labels([spec.support for spec in specs]),
            query_images=stack_images(query, pictures) if features is None else None,
            query_labels=way_labels([spec.query for spec in specs]),
            classes=torch.tensor([spec.classes for spec in specs]),
            numbers=torch.tensor([spec.number for spec in specs]),
            support_features=None if features is None else stack_features(support, features),
            query_features=None if features is None else stack_features(query, features),
        )


def score_accuracy(outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
    """Rows of counts (see `sccan.classification.accuracy`) of a batch of episodes from its scores [B, Q, N]."""
    labels = way_labels([spec.query for spec in specs]).to(outputs.device)
    return count_correct(outputs, labels, torch.tensor([spec.number for spec in specs], device=outputs.device))


@dataclass(frozen=True, eq=False)
class DrawnEpisodes:
    """A batch of training episodes before augmentation; supports come first, way after way.

    Attributes:
        pictures: numbers into the split, [B, P].
        drawn: random numbers of the augmentation, [B, P, 7 or 11] (see `Augmentation.draw`).
        support_labels: [B, N * K].
        query_labels: [B, N * Q].
        classes: class numbers, from 1, [B, N].
        numbers: of the episodes, [B].
        pixels: bytes [B, P, H, W, 3], or None where the device holds the pictures.
    """

    pictures: Tensor
    drawn: Tensor
    support_labels: Tensor
    query_labels: Tensor
    classes: Tensor
    numbers: Tensor
    pixels: Tensor | None = None

    def to(self, device: torch.device | str) -> DrawnEpisodes:
        """The same batch with every tensor on `device`."""
        return self._mapped(lambda value: value.to(device, non_blocking=True))

    def pin_memory(self) -> DrawnEpisodes:
        """Called by torch's loader."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> DrawnEpisodes:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        mapped: dict[str, Any] = {name: None if value is None else function(value) for name, value in values.items()}
        return DrawnEpisodes(**mapped)


class TrainingEpisodes(Dataset[DrawnEpisodes]):
    """Episodes of a plan with the random numbers of their augmentation, as batches of one."""

    def __init__(
        self,
        pictures: Pictures,
        plan: EpisodePlan,
        transform: FixedTransform,
        augmentation: Augmentation,
        *,
        seed: int,
        with_pixels: bool = True,
    ) -> None:
        """
        Args:
            pictures: of the training split.
            plan: which of them make an episode.
            transform: what every picture goes through first.
            augmentation: its random numbers are drawn here; `augmented` applies them.
            seed: of the augmentation.
            with_pixels: read the pictures; not needed where the device holds them.
        """
        self.pictures, self.plan, self.transform, self.augmentation = pictures, plan, transform, augmentation
        self.seed, self.with_pixels = seed, with_pixels

    def __len__(self) -> int:
        """Episodes per epoch."""
        return len(self.plan)

    def __getitem__(self, key: Key) -> DrawnEpisodes:
        """Episode `number` of `epoch`.

        Raises InputError: a picture cannot be decoded.
        """
        spec = self.plan.episode(*key)
        numbers = [*_flat(spec.support), *_flat(spec.query)]
        pixels = stack_pixels([self.pictures.read(n) for n in numbers], self.transform) if self.with_pixels else None
        drawn = self.augmentation.draw(self.transform.size, len(numbers), python_generator(self.seed, *key))
        return DrawnEpisodes(
            pictures=torch.tensor([numbers]),
            drawn=drawn[None],
            support_labels=way_labels([spec.support]),
            query_labels=way_labels([spec.query]),
            classes=torch.tensor([spec.classes]),
            numbers=torch.tensor([spec.number]),
            pixels=None if pixels is None else pixels[None],
        )


def collate_drawn(items: Sequence[DrawnEpisodes]) -> DrawnEpisodes:
    """One batch of B episodes from batches of one."""
    parts = {field.name: [getattr(item, field.name) for item in items] for field in dataclasses.fields(DrawnEpisodes)}
    values: dict[str, Any] = {name: None if part[0] is None else torch.cat(part) for name, part in parts.items()}
    return DrawnEpisodes(**values)


def augmented(
    batch: DrawnEpisodes,
    transform: FixedTransform,
    augmentation: Augmentation,
    *,
    resident: Tensor | None = None,
) -> Episode:
    """The episodes with augmented images, computed where the batch is.

    Args:
        batch: on the device.
        resident: bytes of all pictures of the split on the same device, [n, H, W, 3], for a batch without pixels.

    Raises ValueError: there are pixels neither in the batch nor on the device.
    """
    if batch.pixels is not None:
        pixels = batch.pixels.flatten(0, 1)
    elif resident is not None:
        pixels = resident[batch.pictures.flatten()]
    else:
        raise ValueError("the batch holds no pixels, and none are on the device")
    images = augmentation.apply(pixels, batch.drawn.flatten(0, 1), transform).unflatten(0, batch.pictures.shape)
    first = batch.support_labels.shape[1]
    return Episode(
        support_images=images[:, :first],
        support_labels=batch.support_labels,
        query_images=images[:, first:],
        query_labels=batch.query_labels,
        classes=batch.classes,
        numbers=batch.numbers,
    )


def resident_pixels(pictures: Pictures, transform: FixedTransform, device: torch.device | str) -> Tensor:
    """All pictures of a split as bytes of the network's size on a device, uint8 [n, H, W, 3].

    Raises InputError: a picture cannot be decoded.
    """
    pixels = torch.empty(len(pictures), *transform.size, 3, dtype=torch.uint8, device=device)
    step = 1024
    for first in tqdm(range(0, len(pictures), step), desc=f"loading {pictures.title}", disable=None):
        chunk = range(first, min(first + step, len(pictures)))
        pixels[chunk.start : chunk.stop] = stack_pixels([pictures.read(n) for n in chunk], transform).to(device)
    return pixels


def way_labels(ways: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Way of every picture, for B episodes of picture numbers way by way: [B, N * K]."""
    return torch.tensor([[way for way, listed in enumerate(episode) for _ in listed] for episode in ways])


def _flat(ways: Sequence[Sequence[int]]) -> list[int]:
    return [number for way in ways for number in way]
