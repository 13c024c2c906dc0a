"""Training examples: episodes with random transforms, and pictures with labels of the base classes.

Items are asked for by (epoch, number), and everything random about an item follows from (seed, epoch, number), so a
loader's workers, its batch size and a resumed run do not matter.
Letters: B batch, K shots, H W size of the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sccan.backbones.pixels import normalize
from sccan.episodes.episode import Episode
from sccan.episodes.index import IGNORE, FoldLists
from sccan.episodes.plan import EpisodePlan, numpy_generator, python_generator
from sccan.segmentation.data.labels.masks import base_label_table, boxed_mask, class_mask
from sccan.segmentation.data.sampling.pictures import PictureStore, check_annotation
from sccan.segmentation.data.transforms.published import TrainTransform
from sccan.segmentation.parts.pixel_batch import PixelBatch

OWN = 1
"""Label of an episode's own class, in a mask and among base labels while they are transformed."""
Key = tuple[int, int]
"""Epoch, and number within the epoch."""


class EpisodeDataset(Dataset[Episode]):
    """Episodes of a plan, query and supports each transformed with random numbers of their own."""

    def __init__(
        self,
        store: PictureStore,
        plan: EpisodePlan,
        transform: TrainTransform,
        *,
        seed: int,
        annotation: str = "mask",
        base_classes: Sequence[int] = (),
    ) -> None:
        """
        Args:
            store: decoded pictures.
            plan: which pictures make an episode.
            transform: applied to a picture and the mask of the episode's class.
            seed: of the transforms.
            annotation: of the supports, ``mask`` or ``bbox``.
            base_classes: where given, episodes carry the queries' labels of all these classes.

        Raises InputError: `annotation` is unknown.
        """
        self.store, self.plan, self.transform, self.seed = store, plan, transform, seed
        self.annotation, self.base_classes = check_annotation(annotation), tuple(base_classes)

    def __len__(self) -> int:
        """Episodes per epoch."""
        return len(self.plan)

    def __getitem__(self, key: Key) -> Episode:
        """Episode `number` of `epoch` as a batch of one; images float32 normalised or uint8, labels uint8."""
        epoch, number = key
        spec = self.plan.episode(epoch, number)
        pictures = enumerate((*spec.query[0], *spec.support[0]))
        items = [self._item(picture, spec.classes[0], key, slot) for slot, picture in pictures]
        images, labels = (torch.stack(part)[None] for part in zip(*items, strict=True))  # [1, 1 + K, ...]
        query_labels, base_labels = labels[:, :1], None
        if self.base_classes:
            base_labels = self._decoded(query_labels, spec.classes[0])
            query_labels = torch.from_numpy(class_mask(query_labels.numpy(), OWN))
        return Episode(
            support_images=images[:, 1:],
            support_labels=labels[:, 1:],
            query_images=images[:, :1],
            query_labels=query_labels,
            classes=torch.tensor([spec.classes]),
            numbers=torch.tensor([spec.number]),
            query_base_labels=base_labels,
        )

    def _item(self, picture: int, number: int, key: Key, slot: int) -> tuple[Tensor, Tensor]:
        """One picture of an episode; slot 0 is the query."""
        image, label = self.store.read(picture)
        if slot == 0 and self.base_classes:
            mask = base_label_table(self._own_first(number))[label]
        else:
            mask = class_mask(label, number)
        if slot > 0 and self.annotation == "bbox":
            mask = boxed_mask(mask)
        return self.transform(image, mask, python_generator(self.seed, *key, slot))

    def _own_first(self, number: int) -> tuple[int, ...]:
        """The base classes, the episode's own moved to the front.

        Mask and base labels go through the transform as one image; the own class is 1 there as it is in a mask, so
        that transforms which look for the foreground do the same with and without base labels.
        """
        return number, *(other for other in self.base_classes if other != number)

    def _decoded(self, labels: Tensor, number: int) -> Tensor:
        """Base labels from transformed labels in which the own class came first."""
        table = torch.zeros(256, dtype=torch.uint8)
        table[IGNORE] = IGNORE
        for place, other in enumerate(self._own_first(number), start=OWN):
            table[place] = self.base_classes.index(other) + 1
        return table[labels.long()]


def collate_episodes(items: Sequence[Episode]) -> Episode:
    """One batch of B episodes from batches of one."""
    fields = ("support_images", "support_labels", "query_images", "query_labels", "classes", "numbers")
    batch: dict[str, Any] = {name: torch.cat([getattr(item, name) for item in items]) for name in fields}
    base_labels = [item.query_base_labels for item in items if item.query_base_labels is not None]
    return Episode(**batch, query_base_labels=torch.cat(base_labels) if base_labels else None)


def prepare_episode(episode: Episode, device: torch.device | str) -> Episode:
    """On the device, with images normalised if they came as bytes, and labels as int64."""
    moved = episode.to(device)
    return replace(
        moved,
        support_images=_normalized(moved.support_images),
        support_labels=moved.support_labels.long(),
        query_images=_normalized(moved.query_images),
        query_labels=moved.query_labels.long(),
        query_base_labels=None if moved.query_base_labels is None else moved.query_base_labels.long(),
    )


def _normalized(images: Tensor | None) -> Tensor | None:
    return normalize(images) if images is not None and images.dtype == torch.uint8 else images


class PixelDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pictures with labels of the base classes, for training a pixel classifier; each once per epoch."""

    def __init__(
        self,
        store: PictureStore,
        lists: FoldLists,
        table: np.ndarray,
        transform: TrainTransform,
        *,
        seed: int,
    ) -> None:
        """
        Args:
            store: decoded pictures.
            lists: the pictures to train on.
            table: label value -> training label, uint8 [256]; see `base_label_table`.
            transform: applied to a picture and its training label.
            seed: of the order and of the transforms.

        Raises InputError: the lists are empty.
        """
        lists.require_items()
        self.store, self.items, self.table, self.transform, self.seed = store, lists.items, table, transform, seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Image [3, H, W], float32 normalised or uint8, and training label uint8 [H, W]."""
        epoch, number = key
        image, label = self.store.read(int(self.items[self._permutation(epoch)[number]]))
        return self.transform(image, self.table[label], python_generator(self.seed, epoch, number))

    def _permutation(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, numpy_generator(self.seed, epoch).permutation(len(self.items))
        return self._order[1]


def collate_pixels(items: Sequence[tuple[Tensor, Tensor]]) -> PixelBatch:
    """One batch from single pictures."""
    images, labels = zip(*items, strict=True)
    return PixelBatch(torch.stack(images), torch.stack(labels))


def prepare_pixels(batch: PixelBatch, device: torch.device | str) -> PixelBatch:
    """On the device, with images normalised if they came as bytes, and labels as int64."""
    moved = batch.to(device)
    images = normalize(moved.images) if moved.images.dtype == torch.uint8 else moved.images
    return PixelBatch(images, moved.labels.long())


def start_worker(worker: int) -> None:
    """For a loader's ``worker_init_fn``: one thread per worker process, since there is one process per core."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
