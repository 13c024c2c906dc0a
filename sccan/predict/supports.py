"""The examples that a method is shown: pictures with masks (segmentation) or with a class each (classification)."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.plain import as_utf8
from sccan.files.tally import Tally
from sccan.files.walking import walk
from sccan.pictures.decoding import read_whole
from sccan.pictures.heads import head_of
from sccan.pictures.photos import Pixels, Source, as_rgb, read_photo
from sccan.segmentation.data.annotations.examples import Annotated, read_examples
from sccan.segmentation.data.annotations.places import KNOWN
from sccan.segmentation.finding.segmenting import Shot

HOW = (
    "put a mask PNG of the same name beside each picture or in masks/, or the export of a labelling tool (COCO, "
    "LabelMe ...); for a classifier, one sub-folder of pictures per class"
)

SHOWN = 8
"""Classes that are told by name."""


@dataclass(frozen=True, eq=False)
class Example:
    """One picture of the supports.

    Attributes:
        name: what it is called in messages and reports.
        source: its file, or its pixels, RGB uint8 [h, w, 3].
        classes: what it may show; the value k in `label` stands for classes[k - 1].
        label: 0 background, 1 .. classes, 255 ignored, uint8 [h, w]; None: the picture as a whole shows classes[0].
    """

    name: str
    source: Path | np.ndarray
    classes: tuple[str, ...]
    label: np.ndarray | None

    def image(self) -> np.ndarray:
        """RGB uint8 [h, w, 3]. Raises InputError: the file cannot be read."""
        return read_photo(self.source) if isinstance(self.source, Path) else self.source

    @property
    def shown(self) -> tuple[str, ...]:
        """The classes that it really shows."""
        if self.label is None:
            return self.classes[:1]
        there = np.unique(self.label).tolist()
        return tuple(name for number, name in enumerate(self.classes, 1) if number in there)

    @property
    def digest(self) -> bytes:
        """Changes with the picture, the label and the names."""
        return self._digests[1]

    @property
    def picture_digest(self) -> bytes:
        """Changes with the picture alone."""
        return self._digests[0]

    @functools.cached_property
    def _digests(self) -> tuple[bytes, bytes]:
        content = self.source.read_bytes() if isinstance(self.source, Path) else self.source.tobytes()
        found = hashlib.sha256(content)
        picture = found.digest()
        found.update(repr((self.classes, None if self.label is None else self.label.shape)).encode())
        found.update(b"" if self.label is None else self.label.tobytes())
        return picture, found.digest()


class Supports:
    """Annotated examples of one or several classes, any number of each.

    >>> supports = Supports.from_folder("examples")  # doctest: +SKIP
    >>> supports = Supports().add(picture, mask, "mug")  # doctest: +SKIP
    """

    def __init__(self, examples: Iterable[Example] = (), *, notes: Sequence[str] = ()) -> None:
        """
        Args:
            examples: in any order.
            notes: lines for the user, such as what was left out.
        """
        self.examples, self.notes = list(examples), tuple(notes)

    @classmethod
    def from_folder(cls, folder: str | Path) -> Self:
        """The examples of a folder, however they were annotated.

        Masks are PNGs of the pictures' names, beside them or in ``masks/``; or what a labelling tool exports
        (`sccan.segmentation.data.annotations.formats`). What is left out or guessed stands in ``notes``.
        A mask of 0 and 255 shows one class, called after the folder. Several classes are sub-folders of that kind, or
        names in the json files, or values 1, 2, 3 ... with their names in ``classes.txt``. For classifiers: one
        sub-folder of pictures per class.

        Raises InputError: it is no such folder; the line says what is missing.
        """
        root = Path(folder)
        if not root.is_dir():
            raise InputError(f"there is no folder {root}; give one with annotated pictures: {HOW}")
        examples = read_examples(root)
        told = Tally(examples.told)
        if examples.annotated:
            found = _showing([_example(one, examples.names) for one in examples.annotated], root, told)
        else:
            told = Tally()
            found = _of_class_folders(root, told)
            told.extend(("left out, as they lie outside of the class folders", name) for name, _ in examples.pictures)
        for one in found:
            if isinstance(one.source, Path) and is_unusual(one.source):
                told.extend((note, one.name) for note in read_whole(one.source).notes)
        return cls(found, notes=told.lines())

    @classmethod
    def from_arrays(
        cls,
        images: Sequence[Pixels],
        masks: Sequence[np.ndarray] | None = None,
        *,
        classes: str | Sequence[str] = "object",
    ) -> Self:
        """Pictures in memory.

        Args:
            images: uint8, grey, RGB or RGBA.
            masks: of the object in each, bool or {0, 1, 255} [h, w]; None for classifiers.
            classes: the class of every picture, or one for all.

        Raises InputError: the numbers of pictures, masks and classes differ, or see `add`.
        """
        names = [classes] * len(images) if isinstance(classes, str) else list(classes)
        if len(names) != len(images) or (masks is not None and len(masks) != len(images)):
            counts = f"{len(images)} pictures, {len(names)} classes" + (
                f", {len(masks)} masks" if masks is not None else ""
            )
            raise InputError(f"{counts}; give as many of each")
        supports = cls()
        for number, (image, name) in enumerate(zip(images, names, strict=True)):
            supports.add(image, None if masks is None else masks[number], name)
        return supports

    def add(self, image: Source, mask: np.ndarray | None = None, class_name: str = "object") -> Self:
        """One more example; gives the supports themselves, so that calls can be chained.

        Args:
            image: a file or pixels.
            mask: of the object, [h, w]: bool, or 0 background, 1 (or, in masks of 0 and 255 alone, 255) object, 255
                ignored; None for classifiers.
            class_name: what it shows.

        Raises InputError: the mask is of another size, has other values, or marks nothing.
        """
        source = Path(image) if isinstance(image, str | Path) else as_rgb(image)
        name = source.name if isinstance(source, Path) else f"example {len(self.examples)}"
        example = Example(name, source, (class_name,), None if mask is None else _binary(mask, name))
        if example.label is not None:
            size = example.image().shape[:2]
            if example.label.shape != size:
                found = list(example.label.shape)
                raise InputError(f"the mask of {name} is {found} (height, width), but the picture is {list(size)}")
        self.examples.append(example)
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that are shown, in the order in which they were named."""
        shown = {name for example in self.examples for name in example.shown}
        return tuple(dict.fromkeys(name for example in self.examples for name in example.classes if name in shown))

    @property
    def fingerprint(self) -> str:
        """Changes with any picture, mask or name."""
        found = hashlib.sha256(b"".join(example.digest for example in self.examples))
        return found.hexdigest()[:16]

    def shots(self) -> list[Shot]:
        """For segmentation: every picture with its label, numbered as `class_names`.

        Raises InputError: there is no example, one has no mask or one of another size, or a picture cannot be read.
        """
        if not self.examples:
            raise InputError(f"there are no examples; {HOW}")
        for example in self.examples:
            if example.label is None:
                raise InputError(f"example {example.name} has no mask, which segmentation needs; {HOW}")
        numbers = {name: number for number, name in enumerate(self.class_names, 1)}
        return [Shot(one.name, _fitting_image(one), _numbered(one, numbers)) for one in self.examples]

    def labelled(self) -> tuple[list[Example], list[int]]:
        """For classification: every example and the number of its class, counted from 0.

        Raises InputError: there are fewer than two classes, or a picture shows several.
        """
        names = self.class_names
        if len(names) < 2:
            found = f"examples of {names[0]!r} alone" if names else "no examples"
            raise InputError(f"there are {found}; telling pictures apart needs at least two classes, a sub-folder each")
        several = next((example for example in self.examples if len(example.shown) != 1), None)
        if several is not None:
            raise InputError(
                f"example {several.name} shows {', '.join(several.shown)}; a classifier needs one class per picture"
            )
        return self.examples, [names.index(example.shown[0]) for example in self.examples]

    def told_twice(self) -> list[str]:
        """For classification: a line where the same picture is shown as several classes."""
        told = Tally()
        first: dict[bytes, Example] = {}
        for example in self.examples:
            known = first.setdefault(example.picture_digest, example)
            if known.shown != example.shown:
                told.add("the same picture is an example of two classes; remove one", f"{known.name} = {example.name}")
        return told.lines()

    def __len__(self) -> int:
        return len(self.examples)

    def __repr__(self) -> str:
        counts = Counter(name for one in self.examples for name in one.shown)
        told = [f"{name} ({counts[name]})" for name in self.class_names[:SHOWN]]
        if more := len(counts) - len(told):
            told.append(f"... and {more} more classes, {min(counts.values())} to {max(counts.values())} each")
        return f"Supports({_pictures(len(self))}: {', '.join(told)})"


def is_unusual(picture: Path) -> bool:
    """Whether something is done to a picture while it is read, which a user should hear of."""
    head = head_of(picture, "image")
    return head.is_deep or head.pages > 1 or head.form in ("BMP", "TIFF")


def _of_class_folders(root: Path, told: Tally) -> list[Example]:
    """The examples of a folder with a sub-folder per class."""
    top = walk(root, deep=False)
    told.extend(top.passed)
    full = [folder for folder in top.folders if walk(folder).pictures]
    if all(folder.name in KNOWN for folder in full):
        folders = [folder for folder in top.folders if folder.name not in KNOWN]
    else:  # also a class of things that are called masks
        folders = [folder for folder in top.folders if folder in full or folder.name not in KNOWN]
    found: list[Example] = []
    for folder in folders:
        name = as_utf8(folder.name)
        examples = read_examples(folder, name)
        told.extend((what, f"{name}/{which}") for what, which in examples.told)
        found += [_example(one, examples.names, f"{name}/") for one in examples.annotated]
        if not examples.annotated:
            if not examples.pictures:
                raise InputError(f"class folder {folder} holds no picture; add some, or remove it")
            found += [Example(f"{name}/{which}", file, (name,), None) for which, file in examples.pictures]
    if not found:
        held = len(walk(root).pictures)
        said = "; ".join(read_examples(root).told.lines())
        raise InputError(f"{root} holds {_pictures(held)} and no annotation; {HOW}{f' ({said})' * bool(said)}")
    masked = {example.label is not None for example in found}
    if len(masked) > 1:
        bare = next(example for example in found if example.label is None)
        raise InputError(f"some class folders of {root} have masks, but {bare.name} has none; give all of them or none")
    return _showing(found, root, told) if masked == {True} else found


def _example(one: Annotated, names: tuple[str, ...], before: str = "") -> Example:
    return Example(before + one.name, one.image, names, one.label)


def _showing(found: list[Example], root: Path, told: Tally) -> list[Example]:
    """Those that show something."""
    shown = [example for example in found if example.shown]
    told.extend(("left out, as nothing is marked in them", example.name) for example in found if not example.shown)
    if not shown:
        said = "; ".join(told.lines())
        raise InputError(f"the annotations of {root} mark nothing; mark the object in at least one picture ({said})")
    return shown


def _fitting_image(example: Example) -> np.ndarray:
    image = example.image()
    assert example.label is not None
    if image.shape[:2] != example.label.shape:
        raise InputError(
            f"example {example.name} is {list(image.shape[:2])} (height, width) as it is read, but its mask is "
            f"{list(example.label.shape)}; save both anew"
        )
    return image


def _numbered(example: Example, numbers: dict[str, int]) -> np.ndarray:
    assert example.label is not None
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for value, name in enumerate(example.classes, 1):
        table[value] = numbers.get(name, 0)
    return table[example.label]


def _pictures(count: int) -> str:
    return f"{count or 'no'} picture{'s' * (count != 1)}"


def _binary(mask: np.ndarray, name: str) -> np.ndarray:
    """A mask of one class as uint8 in {0, 1, 255}."""
    values = set(np.unique(mask).tolist())
    if mask.ndim != 2 or not values <= {0, 1, IGNORE}:
        found = f"{mask.dtype} {list(mask.shape)} with values up to {max(values, default=0)}"
        raise InputError(f"the mask of {name} is {found}; expected [height, width] of False and True, or 0, 1 and 255")
    label = mask.astype(np.uint8)
    if values <= {0, IGNORE}:
        label = (label == IGNORE).astype(np.uint8)
    if not (label == 1).any():
        raise InputError(f"the mask of {name} marks nothing; set the pixels of the object to 1 (or all to 255)")
    return label
