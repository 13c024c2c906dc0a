"""Masks beside pictures, or in a folder of masks: which belongs to which picture, and what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.errors import InputError
from sccan.files.kinds import LABEL_FOLDERS, MASK_ENDINGS
from sccan.files.safe_names import folded
from sccan.files.tally import Note, Tally
from sccan.pictures.masks import IGNORE, objects, read_mask
from sccan.segmentation.data.annotations.annotated import Annotations, Marked
from sccan.segmentation.data.annotations.places import Place

HOW = "masks"


@dataclass(frozen=True, eq=False)
class ArrayDraw:
    """Gives the label of a mask that has been read, see `Draw`.

    Attributes:
        source: the mask's file.
        values: 0, 1 .. classes, 255, uint8 [h, w].
        names: of the classes.
    """

    source: Path
    values: np.ndarray
    names: tuple[str, ...]

    def __call__(self, size: tuple[int, int], numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
        require_size(self.values, self.source, size)
        table = np.zeros(256, np.uint8)
        table[IGNORE] = IGNORE
        for number, name in enumerate(self.names, 1):
            table[number] = numbers.get(name, 0)
        return table[self.values], []


def read(place: Place, class_name: str, used: frozenset[Path] = frozenset()) -> Annotations | None:
    """The masks of a folder.

    Args:
        class_name: of the only class, where masks show one and nobody names it.
        used: masks that a tool's own reader has read.

    Raises InputError: a mask cannot be read, or what they show cannot be told.
    """
    found = {image: mask for image, mask in masks_of(place).items() if mask not in used}
    if not found:
        return None
    masks = {place.below(mask): read_mask(mask) for mask in found.values()}
    names, labels, told = objects(masks, place.class_names, class_name, str(place.root))
    marked = [
        Marked(image, ArrayDraw(mask, labels[place.below(mask)], names))
        for image, mask in found.items()
        if place.below(mask) in labels
    ]
    return Annotations(HOW, names, marked, told, frozenset(found.values()))


def masks_of(place: Place) -> dict[Path, Path]:
    """Picture -> its mask: a PNG called after it, beside it or in a folder of masks."""
    known: dict[tuple[Path, str], Path] = {}
    for file in place.ending(".png"):
        known.setdefault((file.parent, folded(file.stem)), file)
    found = {}
    for key, image in place.pictures.keys.items():
        inside = [place.root / name / Path(key).parent for name in LABEL_FOLDERS]
        flat = [place.root / name for name in LABEL_FOLDERS]
        beside = [image.parent.parent / name for name in LABEL_FOLDERS]
        for folder in dict.fromkeys((image.parent, *inside, *flat, *beside)):
            names = (folded(image.stem + mark) for mark in MASK_ENDINGS)
            mask = next((known[folder, name] for name in names if (folder, name) in known), None)
            if mask is not None:
                found[image] = mask
                break
    return _unshared(found, place)


def require_size(label: np.ndarray, source: Path, size: tuple[int, int]) -> None:
    """Raises InputError: a mask and its upright picture differ in size."""
    if label.shape == size:
        return
    turned = (
        "; one of them lies on its side: mark the picture as it is shown, cameras note how they were held"
        if label.shape == size[::-1]
        else "; they must be equal"
    )
    raise InputError(
        f"mask {source} is {label.shape[0]}x{label.shape[1]} (height x width), but its picture is "
        f"{size[0]}x{size[1]}{turned}"
    )


def orphans(place: Place, used: frozenset[Path]) -> Tally:
    """Masks that no picture is called after."""
    told = Tally()
    for file in place.ending(".png"):
        if file not in used:
            told.add("left out, as no picture is called after the mask", place.below(file))
    return told


def _unshared(found: dict[Path, Path], place: Place) -> dict[Path, Path]:
    """Raises InputError: one mask in a flat folder would serve two pictures of one name."""
    owners: dict[Path, Path] = {}
    for image, mask in found.items():
        if mask in owners:
            raise InputError(
                f"mask {mask} may belong to {place.below(owners[mask])} or {place.below(image)}; put it into a "
                f"sub-folder "
                "like that of its picture"
            )
        owners[mask] = image
    return found
