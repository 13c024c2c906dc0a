"""COCO's instances of pictures of one's own, as labelling tools export them: which file, classes and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sccan.errors import InputError, nearest
from sccan.files.plain import plain
from sccan.files.tally import Note, Tally
from sccan.segmentation.data.annotations.annotated import Annotations, Marked
from sccan.segmentation.data.annotations.coco_labels import label_of
from sccan.segmentation.data.annotations.contents import COCO_KEYS, parsed
from sccan.segmentation.data.annotations.instances import Instances, Picture, read_instances
from sccan.segmentation.data.annotations.places import Place

VARIANT = "layered"
"""How COCO annotations of one's own are painted: everything, crowds ignored, small objects over large ones."""


@dataclass(frozen=True)
class CocoDraw:
    """Draws the label of one picture, see `Draw`.

    Attributes:
        source: the instances file.
        picture: what it says of the picture, entries of one name taken together.
        names: category id -> class name.
    """

    source: Path
    picture: Picture
    names: Mapping[int, str]

    def __call__(self, size: tuple[int, int], numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
        stated = self.picture.height, self.picture.width
        if all(stated) and stated != size:
            turned = (
                "; one of them lies on its side: mark the picture as it is shown, cameras note how they were held"
                if stated == size[::-1]
                else "; they must be equal"
            )
            raise InputError(
                f"{self.source} says that {plain(self.picture.file_name)} is {stated[0]}x{stated[1]} (height x width), "
                f"but the picture is {size[0]}x{size[1]}{turned}"
            )
        classes = {category: numbers[name] for category, name in self.names.items() if name in numbers}
        picture = replace(self.picture, height=size[0], width=size[1])
        return label_of(self.source, picture, classes, VARIANT)


def read(place: Place) -> Annotations | None:
    """The COCO files of a folder; several (of parts of a data set) are read as one.

    Raises InputError: a file is unfit, or describes a picture that is not there.
    """
    files = [file for file in place.ending(".json") if len(COCO_KEYS & parsed(file).keys) > 1]
    if not files:
        return None
    told = Tally()
    classes: dict[str, None] = {}
    found: dict[Path, CocoDraw] = {}
    for file in files:
        instances = read_instances(file)
        names, own = coco_classes(instances, place.class_names, told)
        classes |= dict.fromkeys(own)
        for image, picture in _pictures(instances, place, told).items():
            if image in found:
                raise InputError(
                    f"{found[image].source} and {file} both describe {plain(picture.file_name)}; keep one of them"
                )
            found[image] = CocoDraw(file, picture, names)
    marked = [Marked(image, draw) for image, draw in found.items()]
    return Annotations(f"COCO annotations, {VARIANT}", tuple(classes), marked, told, frozenset(files))


def coco_classes(instances: Instances, names: Sequence[str], told: Tally) -> tuple[dict[int, str], Sequence[str]]:
    """Category id -> class name, and the class names in order: the given ones, or all categories by their ids.

    Categories of one name are one class. A category that only groups others (Roboflow's first) is none.

    Raises InputError: a given name is no category.
    """
    categories = {category: name for category, name in instances.categories.items() if category not in instances.groups}
    told.extend(("left out, as it only groups other categories", instances.categories[one]) for one in instances.groups)
    unknown = next((name for name in names if name not in categories.values()), None)
    if unknown is not None:
        raise InputError(f"class {unknown!r} is no category of {instances.path}{nearest(unknown, categories.values())}")
    if len(set(categories.values())) < len(categories):
        seen = list(categories.values())
        told.extend(
            ("several categories of one name, taken as one class", name)
            for name in dict.fromkeys(seen)
            if seen.count(name) > 1
        )
    if names:
        told.extend(
            ("left out, as classes.txt does not name the category", name)
            for name in categories.values()
            if name not in names
        )
        categories = {category: name for category, name in categories.items() if name in names}
    return categories, list(names) or list(dict.fromkeys(categories.values()))


def _pictures(instances: Instances, place: Place, told: Tally) -> dict[Path, Picture]:
    """File -> what the instances say of it, entries of one name taken together."""
    found: dict[Path, Picture] = {}
    for picture in instances.pictures():
        image = place.pictures.find(picture.file_name)
        if image is None:
            raise InputError(
                f"{instances.path} describes {plain(picture.file_name)}, which is not in {place.base}; put it there"
            )
        if image not in found:
            found[image] = picture
            continue
        first = found[image]
        if first.file_name != picture.file_name:
            raise InputError(
                f"{instances.path} describes {plain(first.file_name)} and {plain(picture.file_name)}, but "
                f"{place.root} holds "
                f"{place.below(image)} alone; put both there, in folders of their own"
            )
        if (first.height, first.width) != (picture.height, picture.width):
            raise InputError(f"{instances.path} says that {plain(picture.file_name)} has two sizes; correct one")
        told.add("described by several entries of one name, taken together", picture.file_name)
        spans = first.spans + picture.spans
        found[image] = replace(first, n_instances=first.n_instances + picture.n_instances, spans=spans)
    return found
