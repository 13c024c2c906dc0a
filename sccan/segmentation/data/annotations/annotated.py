"""Annotated pictures, whatever tool they come from: which picture, which classes, and how its label is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.tally import Note, Tally
from sccan.pictures.decoding import image_size
from sccan.segmentation.data.annotations.places import Place

Numbers = Mapping[str, int]
"""Class name -> number in label images."""


class Draw(Protocol):
    """Draws the label of one picture; can be pickled, so that processes share the work."""

    def __call__(self, size: tuple[int, int], numbers: Numbers) -> tuple[np.ndarray, list[Note]]:
        """The label, uint8 [h, w], and what was left out or changed. Classes without a number are background.

        Raises InputError: the annotation is unfit.
        """


@dataclass(frozen=True)
class Marked:
    """A picture that has an annotation."""

    image: Path
    draw: Draw

    def label(self, numbers: Numbers) -> tuple[np.ndarray, list[Note]]:
        """The label at the upright picture's size, and notes. Raises InputError: see `Draw`."""
        return self.draw(image_size(self.image), numbers)


@dataclass(frozen=True, eq=False)
class Annotations:
    """What one tool has left in a folder.

    Attributes:
        how: in words, for results.
        classes: names, in the order of their numbers.
        pictures: those that it describes.
        told: what was left out.
        used: files that were read.
    """

    how: str
    classes: tuple[str, ...]
    pictures: Sequence[Marked]
    told: Tally = field(default_factory=Tally)
    used: frozenset[Path] = frozenset()


def ordered_classes(found: Sequence[str], place: Place, source: Path) -> tuple[str, ...]:
    """Names that annotations use, without repetition; or those of ``classes.txt``, which must be among them.

    Raises InputError: nothing is named.
    """
    names = tuple(dict.fromkeys(found))
    if place.class_names:
        return place.class_names
    if not names:
        raise InputError(f"{source} marks nothing that has a name; mark some objects first")
    return names


def require_pictures(
    source: Path, described: Sequence[str], found: Sequence[object], place: Place, told: Tally
) -> None:
    """Counts the pictures that a file describes and that are not there.

    Raises InputError: none of them is there.
    """
    if described and not found:
        names = ", ".join(plain(name) for name in described[:3])
        raise InputError(
            f"{source} describes {len(described)} pictures ({names} ...), none of which is in {place.base}; put "
            f"them there"
        )


def merged(found: Sequence[Annotations]) -> Annotations:
    """Annotations of several tools as one; a picture that two of them describe is taken from the first.

    Raises InputError: there are none.
    """
    if len(found) == 1:
        return found[0]
    told = Tally()
    pictures: dict[Path, Marked] = {}
    for one in found:
        told.extend(one.told)
        for marked in one.pictures:
            if marked.image in pictures:
                told.add(f"annotated twice; {one.how} were passed over", marked.image.name)
            else:
                pictures[marked.image] = marked
    classes = tuple(dict.fromkeys(name for one in found for name in one.classes))
    how = ", ".join(dict.fromkeys(one.how for one in found))
    return Annotations(how, classes, tuple(pictures.values()), told, frozenset().union(*(one.used for one in found)))
