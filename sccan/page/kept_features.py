"""Features of a folder's pictures: computed once, kept on the disk, the latest of them in memory."""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from sccan.engine.feature_files import FeatureFiles
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.files.photos import read_photo
from sccan.page.places import Gallery
from sccan.page.thumbnails import thumbnail
from sccan.predict.segmenter import Segmenter

IN_MEMORY = 384 << 20
"""Bytes of features that are held in memory."""
ON_DISK = 16 << 30
"""Bytes of features that are written to the disk."""
DECODERS = 2


class KeptFeatures:
    """Features [1, C, h, w] by the key of a picture, in half precision; for one thread.

    Attributes:
        sizes: height and width of every picture whose features are there.
    """

    def __init__(self, gallery: Gallery, segmenter: Segmenter, folder: Path) -> None:
        """
        Args:
            folder: of the files; whatever lies there can be deleted at any time.
        """
        self.gallery, self.segmenter = gallery, segmenter
        self.sizes: dict[str, tuple[int, int]] = {}
        self._numbers = {key: number for number, key in enumerate(gallery.photos)}
        self._keys = list(gallery.photos)
        self._files = FeatureFiles(folder, self._digest, budget_bytes=ON_DISK)
        self._memory: OrderedDict[str, Features] = OrderedDict()
        self._used = 0
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decoding")

    def has(self, key: str) -> bool:
        """Whether the features of a picture need not be computed. Raises OSError: it is gone."""
        number = self._numbers[key]
        return self._digest(number, False) in self._memory or self._files.path(number).is_file()

    def get(self, keys: Sequence[str], *, support: bool = False) -> dict[str, Features | InputError]:
        """Features of some pictures, computed together where they are new; or why there are none.

        Args:
            support: as those of examples, of which some methods look at more.
        """
        support = support and self.segmenter.task.method.supports_differ
        found: dict[str, Features | InputError] = {}
        for key in keys:
            try:
                self.gallery.read_path(key)
                if (known := self._known(key, support)) is not None:
                    found[key] = known
            except (InputError, OSError) as error:
                found[key] = error if isinstance(error, InputError) else _gone(error)
        missing = [key for key in keys if key not in found]
        images: dict[str, np.ndarray] = {}
        for key, image in zip(missing, self._decoders.map(self._read, missing), strict=True):
            if isinstance(image, InputError):
                found[key] = image
            else:
                images[key] = image
        if images:
            found |= self._encoded(images, support)
        return {key: one if isinstance(one, InputError) else self._whole(one) for key, one in found.items()}

    def _encoded(self, images: dict[str, np.ndarray], support: bool) -> dict[str, Features]:
        """Of pictures that are new, kept from now on."""
        features = self.segmenter.task.encode(list(images.values()), support=support)
        found = {}
        for place, (key, image) in enumerate(images.items()):
            maps = {name: value[place : place + 1].half().cpu() for name, value in features.maps.items()}
            self.sizes[key] = image.shape[0], image.shape[1]
            found[key] = Features(maps, features.image_size)
            try:
                self._files.write(self._numbers[key], found[key], support=support)
                self._remember(self._digest(self._numbers[key], support), found[key])
            except InputError:
                self._files.budget_bytes = 0  # the disk is full: what is in memory serves
            except OSError:
                continue  # the picture vanished meanwhile
        return found

    def stamp(self, key: str) -> tuple[int, int]:
        """Changes when the picture's file does. Raises OSError: it is gone."""
        status = (self.gallery.root / self.gallery.photos[key].name).stat()
        return status.st_size, status.st_mtime_ns

    def close(self) -> None:
        self._decoders.shutdown()

    def _known(self, key: str, support: bool) -> Features | None:
        digest = self._digest(self._numbers[key], support)
        if digest in self._memory:
            self._memory.move_to_end(digest)
            return self._memory[digest]
        try:
            stored = self._files.read(self._numbers[key], support=support)
        except InputError:
            return None  # damaged: computed again, and written over
        return None if stored is None else self._remember(digest, stored)

    def _remember(self, digest: str, features: Features) -> Features:
        self._memory[digest] = features
        self._used += _bytes(features)
        while self._used > IN_MEMORY and len(self._memory) > 1:
            self._used -= _bytes(self._memory.popitem(last=False)[1])
        return features

    def _read(self, key: str) -> np.ndarray | InputError:
        """The picture; its thumbnail is made on the way."""
        try:
            image = read_photo(self.gallery.read_path(key))
            with contextlib.suppress(OSError):
                thumbnail(self.gallery, key, image)
            return image
        except InputError as error:
            return error

    def _whole(self, features: Features) -> Features:
        """In the precision that the method computes in."""
        maps = {name: value.to(self.segmenter.device, torch.float32) for name, value in features.maps.items()}
        return Features(maps, features.image_size)

    def _digest(self, number: int, support: bool) -> str:
        key = self._keys[number]
        facts = self.segmenter.facts
        about = [facts[name] for name in ("model_digest", "method", "size", "precision")]
        about += [key, *self.stamp(key), support]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:32]


def _gone(error: OSError) -> InputError:
    return InputError(f"the picture cannot be read: {error.strerror}")


def _bytes(features: Features) -> int:
    return sum(value.nbytes for value in features.maps.values())
