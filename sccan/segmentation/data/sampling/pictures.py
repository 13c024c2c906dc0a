"""Pictures decoded and resized once, and episodes assembled from them: what evaluation draws from.

Letters: B episodes, K shots, H W size of the network's input, h w size of a picture, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.episodes.index import ClassIndex
from sccan.episodes.stacking import stack_features, stack_images
from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_label
from sccan.segmentation.data.labels.masks import boxed_mask, class_mask
from sccan.segmentation.data.transforms.published import FixedTransform


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, ready for the network, and its label of all classes.

    Attributes:
        number: into the index.
        name: short unique name.
        image: normalised float32 [3, H, W].
        label: class numbers after the transform, uint8 [H, W]; 255 ignored or padded.
        original_label: class numbers at the picture's own size, uint8 [h, w].
        content_size: rows and columns of `image` that the picture fills, from the top left.
    """

    number: int
    name: str
    image: Tensor
    label: np.ndarray
    original_label: np.ndarray
    content_size: tuple[int, int]


class PictureStore:
    """Decoded pictures and labels by number, kept in memory as long as a budget lasts.

    Pictures read before worker processes are forked are shared with them; the others are kept per process.
    """

    def __init__(self, index: ClassIndex, *, memory_bytes: int = 0) -> None:
        """
        Args:
            index: names the files.
            memory_bytes: budget for decoded pictures; nothing is dropped once it is spent, the rest is read anew.
        """
        self.index = index
        self.memory_bytes = memory_bytes
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """RGB image uint8 [h, w, 3] and label uint8 [h, w]; not to be written to.

        Raises InputError: a file is unreadable, or image and label differ in size.
        """
        if number in self._kept:
            return self._kept[number]
        image = read_image(self.index.image_path(number))
        label = read_label(self.index.label_path(number))
        if image.shape[:2] != label.shape:
            sizes = " and ".join(f"{height}x{width}" for height, width in (image.shape[:2], label.shape))
            raise InputError(
                f"image {self.index.image_path(number)} and its label {self.index.label_path(number)} are of different "
                f"size: {sizes} (height x width); they must be equal"
            )
        if image.nbytes + label.nbytes <= self.memory_bytes:
            self.memory_bytes -= image.nbytes + label.nbytes
            self._kept[number] = image, label
        return image, label


class SegmentationSource:
    """The episodes of a plan and the pictures they are made of.

    Attributes:
        specs: all episodes in order.
        store: where decoded pictures come from.
        transform: fixed resize of every picture.
        annotation: how supports are annotated: ``mask`` or ``bbox`` (bounding boxes of the mask's parts).
    """

    def __init__(
        self,
        store: PictureStore,
        specs: Sequence[EpisodeSpec],
        transform: FixedTransform,
        *,
        annotation: str = "mask",
    ) -> None:
        """Raises InputError: `annotation` is unknown."""
        self.specs, self.store, self.transform = specs, store, transform
        self.annotation = check_annotation(annotation)

    def first(self, count: int) -> SegmentationSource:
        """The same source with its first episodes alone."""
        return SegmentationSource(self.store, self.specs[:count], self.transform, annotation=self.annotation)

    def load(self, number: int) -> Picture:
        """Decode and resize one picture.

        Raises InputError: a file is unreadable.
        """
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # one thread per loader process, since there is one process per core
        image, label = self.store.read(number)
        transform = self.transform
        return Picture(
            number,
            self.store.index.names[number],
            transform.image(image),
            transform.label(label),
            label,
            transform.content_size(*label.shape),
        )

    def assemble(
        self,
        specs: Sequence[EpisodeSpec],
        pictures: Mapping[int, Picture],
        features: Mapping[int, Features] | None = None,
    ) -> Episode:
        """A batch of B episodes of the same number of shots.

        Args:
            specs: the episodes.
            pictures: every picture they need, by number.
            features: likewise, each with leading dimension [1]; without them the batch holds the images instead.
        """
        support = [spec.support[0] for spec in specs]
        query = [spec.query[0] for spec in specs]
        masks = [[self._support_mask(pictures[p], spec.classes[0]) for p in spec.support[0]] for spec in specs]
        targets = [[class_mask(pictures[p].label, spec.classes[0]) for p in spec.query[0]] for spec in specs]
        return Episode(
            support_images=stack_images(support, pictures) if features is None else None,
            support_labels=torch.from_numpy(np.array(masks)).long(),  # [B, K, H, W]
            query_images=stack_images(query, pictures) if features is None else None,
            query_labels=torch.from_numpy(np.array(targets)).long(),  # [B, 1, H, W]
            classes=torch.tensor([spec.classes for spec in specs]),
            numbers=torch.tensor([spec.number for spec in specs]),
            support_features=None if features is None else stack_features(support, features),
            query_features=None if features is None else stack_features(query, features),
        )

    def _support_mask(self, picture: Picture, number: int) -> np.ndarray:
        if self.annotation == "mask":
            return class_mask(picture.label, number)
        return self.transform.label(boxed_mask(class_mask(picture.original_label, number)))


def check_annotation(annotation: str) -> str:
    """Raises InputError: the annotation is neither ``mask`` nor ``bbox``."""
    if annotation not in ("mask", "bbox"):
        raise InputError(f"EPISODE.ANNOTATION is {annotation!r}; expected 'mask' or 'bbox'")
    return annotation
