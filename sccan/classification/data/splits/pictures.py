"""The pictures of one split, each with one class, wherever they lie: in an array, in encoded form, or in files.

Letters: n pictures, h w picture size.
"""

from __future__ import annotations

import functools
import io
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sccan.episodes.index import ClassIndex
from sccan.episodes.ways import ClassPictures
from sccan.errors import InputError
from sccan.files.kinds import PICTURE_SUFFIXES
from sccan.files.reading import read_bytes
from sccan.files.tally import Tally
from sccan.pictures.decoding import decode, upright_of
from sccan.pictures.heads import BROKEN, opened, reason

SPLITS = ("train", "val", "test")


class Pictures(ABC):
    """Pictures by number, their labels, and the names of classes.

    Attributes:
        labels: class of every picture, counted from 0, int64 [n]. (Class numbers in episodes count from 1.)
        class_names: by label.
        named: whether the classes' names are their own, or only made up from numbers.
        title: what the split is called in messages.
        turned: whether pictures are turned upright where their camera noted how it was held; those of a published list
        are
            read as the published readers do.
        passed: what was passed over in the folders of pictures.
    """

    turned = True

    def __init__(
        self,
        labels: np.ndarray,
        class_names: Sequence[str],
        *,
        title: str,
        names: Sequence[str] | None = None,
        named: bool = True,
    ) -> None:
        """
        Args:
            names: unique name of every picture; by default the class's name and a running number within it.

        Raises InputError: there is no picture, or a class has none.
        """
        self.labels = _checked(np.asarray(labels), len(class_names), title)
        self.class_names, self.title, self.named = tuple(class_names), title, named
        self.passed = Tally()
        self._given_names = None if names is None else tuple(names)
        if names is not None and (len(names) != len(self.labels) or len(set(names)) < len(names)):
            raise InputError(
                f"{title}: {len(set(names))} different names for {len(self.labels)} pictures; make it again"
            )
        if len(self.labels) == 0:
            raise InputError(f"{title} holds no picture; expected files ending in {', '.join(PICTURE_SUFFIXES)}")
        empty = np.flatnonzero(np.asarray(self.counts) == 0)
        if len(empty):
            raise InputError(f"{title} holds no picture of class {self.class_names[empty[0]]!r}; add some or remove it")

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, number: int) -> np.ndarray:
        """A picture as RGB, uint8 [h, w, 3]; not to be written to.

        Raises InputError: it cannot be decoded.
        """

    def encoded(self, number: int) -> bytes | None:
        """The file of a picture, where it has one."""
        return None

    @functools.cached_property
    def counts(self) -> tuple[int, ...]:
        """Pictures of every class."""
        return tuple(np.bincount(self.labels, minlength=len(self.class_names)).tolist())

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Unique name of every picture."""
        if self._given_names is not None:
            return self._given_names
        position = np.empty(len(self), np.int64)
        for listed in self.class_pictures().per_class.values():
            position[listed] = np.arange(len(listed))
        return tuple(
            f"{self.class_names[label]}/{number:05d}" for label, number in zip(self.labels, position, strict=True)
        )

    def class_pictures(self) -> ClassPictures:
        """The pictures of every class, for episode plans; class numbers count from 1."""
        order = np.argsort(self.labels, kind="stable")
        parts = np.split(order, np.cumsum(self.counts)[:-1])
        numbers = range(1, len(parts) + 1)
        return ClassPictures(
            dict(zip(numbers, parts, strict=True)), dict(zip(numbers, self.class_names, strict=True)), self.title
        )

    def index(self) -> ClassIndex:
        """The split as an index, for manifests. Sizes are left at 0: they do not say which picture it is."""
        counts = np.zeros((len(self), len(self.class_names) + 1), np.uint8)
        counts[np.arange(len(self)), self.labels + 1] = 1
        return ClassIndex(
            root=Path(self.title),
            images=tuple(f"{name}.picture" for name in self.names),
            labels=(),
            counts=counts,
            ignored=np.zeros(len(self), np.int64),
            sizes=np.zeros((len(self), 2), np.int64),
            class_names=self.class_names,
        )


class ArrayPictures(Pictures):
    """Pictures of one size in one array, which may be mapped from a file."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        *,
        title: str,
        names: Sequence[str] | None = None,
        named: bool = True,
        swap: bool = False,
    ) -> None:
        """
        Args:
            images: uint8 [n, h, w, 3].
            swap: the array holds blue, green, red.

        Raises InputError: the array is something else, or has another length than the labels.
        """
        super().__init__(labels, class_names, title=title, names=names, named=named)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise InputError(
                f"{title}: pictures are {images.dtype} {list(images.shape)}, expected uint8 [n, height, width, 3]"
            )
        if len(images) != len(self.labels):
            raise InputError(
                f"{title}: {len(images)} pictures but {len(self.labels)} labels; the files do not belong together"
            )
        self.images, self.swap = images, swap

    def read(self, number: int) -> np.ndarray:
        picture = self.images[number]
        return picture[..., ::-1] if self.swap else picture


class EncodedPictures(Pictures):
    """Encoded pictures (PNG, JPEG) one after another in one array of bytes, which may be mapped from a file."""

    def __init__(
        self,
        content: np.ndarray,
        offsets: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        *,
        title: str,
        names: Sequence[str] | None = None,
        named: bool = True,
    ) -> None:
        """
        Args:
            content: uint8 [bytes].
            offsets: where every picture begins, and the end, int64 [n + 1].

        Raises InputError: there are not as many pictures as labels.
        """
        super().__init__(labels, class_names, title=title, names=names, named=named)
        if offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise InputError(f"{title}: pictures begin at places that are no places; the files are damaged")
        if len(offsets) != len(self.labels) + 1 or offsets[-1] != len(content):
            raise InputError(
                f"{title}: {len(offsets) - 1} pictures but {len(self.labels)} labels; the files do not belong together"
            )
        self.content, self.offsets = content, offsets

    def read(self, number: int) -> np.ndarray:
        return decode_picture(self.encoded(number), f"picture {number} of {self.title}", turned=self.turned)

    def encoded(self, number: int) -> bytes:
        return self.content[self.offsets[number] : self.offsets[number + 1]].tobytes()


class FilePictures(Pictures):
    """Pictures in files of their own, decoded whenever they are read."""

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | np.ndarray,
        class_names: Sequence[str],
        *,
        title: str,
        names: Sequence[str] | None = None,
    ) -> None:
        """`names`: by default the class's name and the file's stem."""
        twice = next((path for path, count in Counter(paths).items() if count > 1), None)
        if twice is not None:
            raise InputError(f"{title} names the picture {twice} twice; every picture is one, and has one class")
        if names is None:
            names = [f"{class_names[label]}/{path.stem}" for path, label in zip(paths, labels, strict=True)]
            if len(set(names)) < len(names):  # a.jpg beside a.png
                names = [f"{class_names[label]}/{path.name}" for path, label in zip(paths, labels, strict=True)]
        super().__init__(np.asarray(labels, dtype=np.int64), class_names, title=title, names=names)
        self.paths = tuple(paths)

    def read(self, number: int) -> np.ndarray:
        return decode_picture(self.encoded(number), f"picture {self.paths[number]}", turned=self.turned)

    def encoded(self, number: int) -> bytes:
        return read_bytes(self.paths[number], "picture")


def _checked(labels: np.ndarray, n_classes: int, title: str) -> np.ndarray:
    """Labels as int64 [n]. Raises InputError: they are no whole numbers, or name no class."""
    whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and (labels == np.floor(labels)).all())
    if labels.ndim != 1 or not whole:
        raise InputError(f"{title}: labels are {labels.dtype} {list(labels.shape)}, expected whole numbers [n]")
    unfit = labels[(labels < 0) | (labels >= n_classes)]
    if len(unfit):
        raise InputError(f"{title}: a label is {unfit[0]}, expected 0 to {n_classes - 1}")
    return labels.astype(np.int64, copy=False)


def decode_picture(data: bytes, title: str, *, turned: bool = True) -> np.ndarray:
    """An encoded picture as RGB, uint8 [h, w, 3].


    Grey, palette and CMYK pictures are converted and transparency is dropped, as by the published readers; deeper
    samples become 8 bits as everywhere (`sccan.pictures.depth`).

    Args:
        turned: turn it upright where its camera noted how it was held; published readers do not.

    Raises InputError: it is no picture, is cut short, or has values that are no colours.
    """
    stream = io.BytesIO(data)
    picture, head = opened(stream, title, verb="decoded")
    if head.is_deep:
        return decode(data, title).pixels
    try:
        picture.load()
        pixels = np.asarray(picture.convert("RGB"))
    except BROKEN as error:
        raise InputError(f"{title} cannot be decoded: {reason(error)}; replace the file") from error
    return upright_of(pixels, head) if turned else pixels
