"""A folder of annotated examples, however it was annotated: which picture, which classes, which pixels.

    examples/dog.jpg, dog.png            a mask of the same name beside the picture (or dog_mask.png), or in masks/
    examples/images/, examples/masks/    the same in two folders (any of the names that a data set of one's own has)
    examples/classes.txt                 class names for masks with values 1, 2, 3 ...; optional
    examples/*.json ...                  what a labelling tool has exported (`formats`)
    examples/cat/, examples/dog/         one folder of either kind per class

What mask values mean stands in `sccan.pictures.masks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.plain import as_utf8
from sccan.files.tally import Tally
from sccan.segmentation.data.annotations import mask_pngs
from sccan.segmentation.data.annotations.annotated import Annotations, merged
from sccan.segmentation.data.annotations.formats import read_annotations
from sccan.segmentation.data.annotations.places import Place, look_at
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS
from sccan.segmentation.data.sets.datasets import CLASS_FILES
from sccan.segmentation.data.sets.lists import read_class_names

SAYING_NOTHING = ("", "examples", "example", "support", "supports")
"""Names of folders that are no names of classes."""


@dataclass(frozen=True)
class Annotated:
    """An annotated picture.

    Attributes:
        name: of the picture, in messages and reports.
        image: the picture's file.
        label: 0 background, 1 .. N classes, 255 ignored, uint8 [h, w] at the upright picture's size.
    """

    name: str
    image: Path
    label: np.ndarray


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of a folder (without its sub-folders of classes).

    Attributes:
        names: of the classes 1 .. N.
        annotated: the annotated pictures; empty: none has an annotation.
        pictures: name and file of all pictures.
        told: what was left out, passed over or guessed.
    """

    names: tuple[str, ...]
    annotated: list[Annotated]
    pictures: tuple[tuple[str, Path], ...]
    told: Tally = field(default_factory=Tally)


def read_examples(folder: Path, class_name: str = "") -> Examples:
    """The class names and the annotated pictures of a folder.

    Args:
        folder: see the top of this file.
        class_name: the only class that masks of 0 and 1 (or 255) show; empty: it is called after the folder, or
            ``object`` where that says nothing.

    Raises InputError: an annotation is unfit: of another size than its picture, empty, of unknown classes ...
    """
    file = next((folder / name for name in CLASS_FILES if (folder / name).is_file()), None)
    place = look_at(folder, read_class_names(file) if file else (), class_name or _called(folder))
    pictures = tuple((place.name_of(image), image) for image in place.pictures.files)
    tools = read_annotations(place)
    named = {name for found in tools for name in found.classes}
    guessed = next(iter(named)) if len(named) == 1 else ""
    by_tools = frozenset().union(*(found.used for found in tools))
    masks = mask_pngs.read(place, guessed or place.class_name, by_tools)
    found = [masks, *tools] if masks else tools
    if not found:
        return Examples((), [], pictures, place.unused(frozenset([file] if file else [])))
    everything = merged(found)
    told = Tally(everything.told)
    if masks and guessed and masks.classes == (guessed,) and not place.class_names:
        told.add(f"masks taken to show {guessed}, the only class that is named", place.below(next(iter(masks.used))))
    annotated = _drawn(everything, place, told)
    described = {marked.image for marked in everything.pictures}
    told.extend(
        ("left out, as they have no annotation", place.below(one))
        for one in place.pictures.files
        if one not in described
    )
    used = everything.used | ({file} if file else set())
    told.extend(mask_pngs.orphans(place, used))
    told.extend(place.unused(used | frozenset(place.ending(".png"))))
    names, annotated = _shown(everything.classes, annotated) if tools else (everything.classes, annotated)
    return Examples(names, annotated, pictures, told)


def _drawn(found: Annotations, place: Place, told: Tally) -> list[Annotated]:
    if len(found.classes) > LARGEST_CLASS:
        raise InputError(
            f"{place.root} has {len(found.classes)} classes, but label images can hold {LARGEST_CLASS} at most"
        )
    numbers = {name: number for number, name in enumerate(found.classes, 1)}
    annotated = []
    for marked in sorted(found.pictures, key=lambda one: one.image):
        label, notes = marked.label(numbers)
        told.extend(notes)
        annotated.append(Annotated(place.name_of(marked.image), marked.image, label))
    return annotated


def _shown(names: tuple[str, ...], annotated: list[Annotated]) -> tuple[tuple[str, ...], list[Annotated]]:
    """Without the classes that nothing is marked as: they are none to look for."""
    there = np.zeros(256, bool)
    for one in annotated:
        there |= np.bincount(one.label.reshape(-1), minlength=256) > 0
    shown = [number for number in range(1, len(names) + 1) if there[number]]
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    table[shown] = np.arange(1, len(shown) + 1)
    return tuple(names[number - 1] for number in shown), [
        Annotated(one.name, one.image, table[one.label]) for one in annotated
    ]


def _called(folder: Path) -> str:
    name = as_utf8(real(folder).name)
    return "object" if name.lower() in SAYING_NOTHING else name
