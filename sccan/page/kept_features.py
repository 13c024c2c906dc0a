"""Features of a folder's pictures: computed once, kept on the disk, the latest of them in memory."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

import torch

from sccan.engine.feature_files import FeatureFiles
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.page.places import Gallery
from sccan.page.thumbnails import thumbnail
from sccan.pictures.photos import read_photo
from sccan.predict.segmenter import Segmenter

IN_MEMORY = 384 << 20
"""Bytes of features that are held in memory: mapped from their files, so that none of it is lost between others."""
ON_DISK = 16 << 30
"""Bytes of features that are written to the disk."""


class KeptFeatures:
    """Features [1, C, h, w] by the key of a picture, in half precision; safe to use from several threads.

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
        self._lock = threading.Lock()

    def has(self, key: str) -> bool:
        """Whether the features of a picture need not be computed. Raises OSError: it is gone."""
        number = self._numbers[key]
        return self._digest(number, False) in self._memory or self._files.path(number).is_file()

    def get(self, key: str, *, support: bool = False) -> Features:
        """Features of a picture, computed where they are new.

        Args:
            support: as those of examples, of which some methods look at more.

        Raises InputError: the picture cannot be read.
        """
        support = support and self.segmenter.task.method.supports_differ
        path = self.gallery.read_path(key)
        try:
            known = self._known(key, support)
            return self._whole(known or self._encoded(key, path, support))
        except OSError as error:
            raise InputError(f"the picture cannot be read: {error.strerror}") from error

    def _encoded(self, key: str, path: Path, support: bool) -> Features:
        """Of a picture that is new, kept from now on; its thumbnail is made on the way."""
        image = read_photo(path)
        with contextlib.suppress(OSError):
            thumbnail(self.gallery, key, image)
        number = self._numbers[key]
        digest = self._digest(number, support)
        plain = self._known(key, support=False) if support else None
        features = self.segmenter.task.encode([image]) if plain is None else self._whole(plain)
        if support:
            features = self.segmenter.task.as_example(features, lambda: image)
        maps = {name: value.half().cpu() for name, value in features.maps.items()}
        found = Features(maps, features.image_size)
        self.sizes[key] = image.shape[0], image.shape[1]
        try:
            self._files.write(number, found, support=support)
            found = self._files.read(number, support=support) or found  # pages of the file, given back whole
        except InputError:
            self._files.budget_bytes = 0  # the disk is full: what is in memory serves
        return self._remember(digest, found)

    def stamp(self, key: str) -> tuple[int, int]:
        """Changes when the picture's file does. Raises OSError: it is gone."""
        status = (self.gallery.root / self.gallery.photos[key].name).stat()
        return status.st_size, status.st_mtime_ns

    def _known(self, key: str, support: bool) -> Features | None:
        digest = self._digest(self._numbers[key], support)
        with self._lock:
            if digest in self._memory:
                self._memory.move_to_end(digest)
                return self._memory[digest]
        try:
            stored = self._files.read(self._numbers[key], support=support)
        except InputError:
            return None  # damaged: computed again, and written over
        return None if stored is None else self._remember(digest, stored)

    def _remember(self, digest: str, features: Features) -> Features:
        with self._lock:
            if digest not in self._memory:
                self._used += _bytes(features)
            self._memory[digest] = features
            while self._used > IN_MEMORY and len(self._memory) > 1:
                self._used -= _bytes(self._memory.popitem(last=False)[1])
        return features

    def _whole(self, features: Features) -> Features:
        """In the precision that the method computes in."""
        maps = {name: value.to(self.segmenter.device, torch.float32) for name, value in features.maps.items()}
        return Features(maps, features.image_size)

    def _digest(self, number: int, support: bool) -> str:
        key = self._keys[number]
        facts = self.segmenter.facts
        about = [facts[name] for name in ("model_digest", "method", "size", "precision")]
        about += [self.segmenter.engine]
        about += [key, *self.stamp(key), support]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:32]


def _bytes(features: Features) -> int:
    return sum(value.nbytes for value in features.maps.values())
