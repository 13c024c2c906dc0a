"""Episodes from pictures with one class each: fixed ones for evaluation, augmented ones for training.

Training items are asked for by (epoch, number), and everything random about an item follows from (seed, epoch,
number), so a loader's workers, its batch size and a resumed run do not matter.
Letters: B episodes, N ways, K shots, Q queries per way, P = N * (K + Q) pictures, C channels, H W size of the
input, h w size of a stored picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from sccan.classification.data.splits.pictures import ArrayPictures, Pictures
from sccan.classification.data.transforms.augmentation import BOX, Augmentation
from sccan.classification.data.transforms.fixed import FixedTransform, planes
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.episodes.plan import EpisodePlan, numpy_generator
from sccan.episodes.stacking import stack_features, stack_images
from sccan.errors import InputError
from sccan.files.plain import plain

Key = tuple[int, int]
"""Epoch, and number within the epoch."""
AUGMENTATION = 1
"""Sets the augmentation's generator apart from the plan's, which may have the same seed."""


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


@dataclass(frozen=True, eq=False)
class DrawnEpisodes:
    """A batch of training episodes before augmentation; supports come first, way after way.

    Attributes:
        pictures: numbers into the split, [B, P].
        drawn: random numbers of the augmentation, [B, P, 13] (see `Augmentation.draw`).
        support_labels: [B, N * K].
        query_labels: [B, N * Q].
        classes: class numbers, from 1, [B, N].
        numbers: of the episodes, [B].
        pixels: bytes of the stored pictures [B, P, 3, h, w], or None where the device holds them.
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
    """Episodes of a plan with the random numbers of their augmentation, a whole batch at a time.

    Attributes:
        remaining: the part of the augmentation that `augmented` is to apply. Pictures of different sizes are cropped
            here, one by one, since only then do they fit into one tensor.
    """

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

        Raises InputError: pictures have to be of one size here, but are not.
        """
        self.pictures, self.plan, self.transform, self.augmentation = pictures, plan, transform, augmentation
        self.seed, self.with_pixels = seed, with_pixels
        self._size = stored_size(pictures, transform, augmentation)
        if self._size is None and (augmentation.crop != "resized" or not with_pixels):
            raise _sizes_differ(pictures)
        cut_here = self._size is None
        self.remaining = dataclasses.replace(augmentation, crop="centre") if cut_here else augmentation

    def __len__(self) -> int:
        """Episodes per epoch."""
        return len(self.plan)

    def __getitems__(self, keys: Sequence[Key]) -> DrawnEpisodes:
        """The episodes of these (epoch, number) as one batch; torch's loader asks for batches by this name.

        Raises InputError: a picture cannot be decoded.
        """
        specs = [self.plan.episode(*key) for key in keys]
        numbers = [[*_flat(spec.support), *_flat(spec.query)] for spec in specs]
        read = [self._stored(number) for row in numbers for number in row] if self.with_pixels else []
        if self._size is None:
            sizes = np.array([picture.shape[:2] for picture in read])
        else:
            sizes = np.broadcast_to(self._size, (len(specs) * len(numbers[0]), 2))
        generators = [numpy_generator(self.seed, *key, AUGMENTATION) for key in keys]
        drawn = self.augmentation.draw(sizes.reshape(len(specs), -1, 2), self.transform.size, generators)
        if self._size is None:
            boxes = drawn[..., BOX].flatten(0, 1).tolist()
            read = [self.augmentation.cut(one, box, self.transform) for one, box in zip(read, boxes, strict=True)]
            drawn[..., BOX] = torch.tensor([0, 0, *self.transform.size])
        return DrawnEpisodes(
            pictures=_whole_numbers(numbers),
            drawn=drawn,
            support_labels=way_labels([spec.support for spec in specs]),
            query_labels=way_labels([spec.query for spec in specs]),
            classes=_whole_numbers([spec.classes for spec in specs]),
            numbers=_whole_numbers([spec.number for spec in specs]),
            pixels=planes(read).unflatten(0, (len(specs), -1)) if read else None,
        )

    def _stored(self, number: int) -> np.ndarray:
        return self.augmentation.stored(self.pictures.read(number), self.transform)


def whole_batch(batch: Any) -> DrawnEpisodes:
    """What a loader of `TrainingEpisodes`, which come as batches, has to do to make batches of them."""
    return batch


def augmented(
    batch: DrawnEpisodes,
    transform: FixedTransform,
    augmentation: Augmentation,
    *,
    resident: Tensor | None = None,
) -> Episode:
    """The episodes with augmented images, computed where the batch is, without waiting for the device.

    Args:
        batch: on the device.
        augmentation: what is left of it, see `TrainingEpisodes`.
        resident: stored pictures of the whole split on the same device, uint8 [n, 3, h, w], for a batch without pixels.

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


def resident_pixels(
    pictures: Pictures, transform: FixedTransform, augmentation: Augmentation, device: torch.device | str
) -> Tensor:
    """The stored pictures of a split as bytes on a device, uint8 [n, 3, h, w]; whatever is not random is done once.

    Raises InputError: a picture cannot be decoded, or they are not of one size.
    """
    size = stored_size(pictures, transform, augmentation)
    if size is None:
        raise _sizes_differ(pictures)
    pixels = torch.empty(len(pictures), 3, *size, dtype=torch.uint8, device=device)
    step = 1024
    for first in tqdm(range(0, len(pictures), step), desc=f"loading {plain(pictures.title)}", disable=None):
        chunk = range(first, min(first + step, len(pictures)))
        stored = planes([augmentation.stored(pictures.read(number), transform) for number in chunk])
        pixels[chunk.start : chunk.stop] = stored.to(device)
    return pixels


def stored_size(pictures: Pictures, transform: FixedTransform, augmentation: Augmentation) -> tuple[int, int] | None:
    """Height and width from which the crop of every picture starts; None where they may differ."""
    own = pictures.images.shape[1:3] if isinstance(pictures, ArrayPictures) else None
    if augmentation.crop == "resized":
        return own
    if augmentation.crop == "centre":
        return transform.size
    if transform.resize is None or len(transform.resize) == 2:
        return transform.resized_size(*transform.size)
    return None if own is None else transform.resized_size(*own)


def _sizes_differ(pictures: Pictures) -> InputError:
    return InputError(
        f"pictures of {pictures.title} are of different sizes, but PICTURE.CROP padded after a resize of the shorter "
        "side, and DATA.ON_DEVICE with PICTURE.CROP resized, need one size; bring them to it with "
        "tools/prepare_classification.py --resize HEIGHT WIDTH, or change the setting"
    )


def way_labels(ways: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Way of every picture, for B episodes of picture numbers way by way: [B, N * K]."""
    return _whole_numbers([[way for way, listed in enumerate(episode) for _ in listed] for episode in ways])


def _whole_numbers(values: Sequence[Any]) -> Tensor:
    """Int64; by way of numpy, which reads long lists many times faster than torch."""
    return torch.from_numpy(np.array(values, dtype=np.int64))


def _flat(ways: Sequence[Sequence[int]]) -> list[int]:
    return [number for way in ways for number in way]
