"""A folder of annotated examples, however it was annotated: which picture, which classes, which pixels.

    examples/dog.jpg, dog.png            a mask of the same name beside the picture (or dog_mask.png), or in masks/
    examples/images/, examples/masks/    the same in two folders (any of the names that a data set of one's own has)
    examples/classes.txt                 class names for masks with values 1, 2, 3 ...; optional
    examples/dog.json                    LabelMe, beside the picture or in labelme/
    examples/annotations.json            COCO's instances
    examples/cat/, examples/dog/         one folder of either kind per class

Masks of 0 and 255 alone mean background and foreground; with other values 255 is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.decoding import image_size, read_mask
from sccan.files.kinds import IMAGE_FOLDERS, LABEL_FOLDERS, LABELME_FOLDERS, MASK_ENDINGS, PICTURE_SUFFIXES
from sccan.segmentation.data.annotations import labelme
from sccan.segmentation.data.annotations.coco_files import VARIANT, coco_classes, find_coco
from sccan.segmentation.data.annotations.coco_labels import VARIANTS, paint
from sccan.segmentation.data.annotations.instances import annotations_of, read_instances
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS
from sccan.segmentation.data.sets.datasets import CLASS_FILES
from sccan.segmentation.data.sets.lists import read_class_names

SAYING_NOTHING = ("", "examples", "example", "support", "supports")
"""Names of folders that are no names of classes."""
LEVELS = 32
"""More grey levels than this in masks without class names are smoothed edges, not classes."""


@dataclass(frozen=True)
class Annotated:
    """An annotated picture.

    Attributes:
        image: the picture's file.
        label: 0 background, 1 .. N classes, 255 ignored, uint8 [h, w] at the upright picture's size.
    """

    image: Path
    label: np.ndarray


def read_examples(folder: Path, class_name: str = "") -> tuple[tuple[str, ...], list[Annotated]]:
    """The class names and the annotated pictures of a folder (without its sub-folders of classes).

    Args:
        folder: see the top of this file.
        class_name: the only class that masks of 0 and 1 (or 255) show; empty: it is called after the folder, or
            ``object`` where that says nothing.

    Returns:
        No pictures where none has an annotation.

    Raises InputError: an annotation is unfit: of another size than its picture, empty, of unknown classes ...
    """
    pictures = find_pictures(folder)
    for reader in (_from_masks, _from_labelme, _from_coco):
        found = reader(folder, pictures, class_name or _called(folder))
        if found is not None:
            return found
    return (), []


def find_pictures(folder: Path) -> dict[str, Path]:
    """Name -> file of every picture in a folder or its ``images/``; masks are none.

    Raises InputError: two pictures have one name.
    """
    inside = next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), folder)
    files = sorted(file for file in inside.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file())
    photos = [file for file in files if not _is_mask(file, files)]
    found: dict[str, Path] = {}
    for file in photos:
        if file.stem in found:
            raise InputError(
                f"{inside} has two pictures called {file.stem} ({found[file.stem].name}, {file.name}); rename one"
            )
        found[file.stem] = file
    return found


def _called(folder: Path) -> str:
    name = folder.resolve().name
    return "object" if name.lower() in SAYING_NOTHING else name


def _is_mask(file: Path, files: Sequence[Path]) -> bool:
    """Whether a PNG lies beside the picture that it is a mask of."""
    if file.suffix.lower() != ".png":
        return False
    return any(file.stem == other.stem + ending for other in files if other != file for ending in MASK_ENDINGS)


# Mask PNGs

Found = tuple[tuple[str, ...], list[Annotated]]


def _from_masks(folder: Path, pictures: dict[str, Path], class_name: str) -> Found | None:
    masks = {name: mask for name, image in pictures.items() if (mask := _mask_of(folder, image)) is not None}
    if not masks:
        return None
    labels = {name: _of_size(read_mask(mask), mask, pictures[name]) for name, mask in masks.items()}
    values = sorted(set().union(*(np.unique(label).tolist() for label in labels.values())) - {0})
    classes = [value for value in values if value != IGNORE] or values
    names = _class_names(folder)
    if not values or (names and classes == [IGNORE]):
        raise InputError(f"the masks of {folder} mark nothing; set the pixels of the object to 1 (or all to 255)")
    if not names and len(classes) == 1:
        labels = {name: _as_first(label, classes[0]) for name, label in labels.items()}
        names, classes = (class_name,), [1]
    names = names or _numbered(folder, classes)
    if classes[-1] > len(names):
        raise InputError(
            f"a mask of {folder} holds the value {classes[-1]}, but {CLASS_FILES[0]} names {len(names)} classes; name "
            "every value from 1 on, a line each"
        )
    return names, [Annotated(pictures[name], label) for name, label in labels.items()]


def _as_first(label: np.ndarray, value: int) -> np.ndarray:
    """The label with its only class as class 1; 255 stays ignored unless it is that class."""
    first = (label == value).astype(np.uint8)
    first[(label == IGNORE) & (value != IGNORE)] = IGNORE
    return first


def _mask_of(folder: Path, image: Path) -> Path | None:
    """The PNG that is a picture's mask, beside it or in a folder of masks."""
    places = [image.parent, *(folder / name for name in LABEL_FOLDERS)]
    candidates = [place / f"{image.stem}{ending}.png" for place in places for ending in MASK_ENDINGS]
    return next((file for file in candidates if file != image and file.is_file()), None)


def _of_size(label: np.ndarray, source: Path, image: Path) -> np.ndarray:
    size = image_size(image)
    if label.shape == size:
        return label
    turned = (
        "; the picture is shown turned (its camera noted that), so mark it as it is shown"
        if (label.shape == size[::-1])
        else "; they must be equal"
    )
    raise InputError(
        f"mask {source} is {label.shape[0]}x{label.shape[1]} (height x width), but its picture {image.name} is "
        f"{size[0]}x{size[1]}{turned}"
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    file = next((folder / name for name in CLASS_FILES if (folder / name).is_file()), None)
    return read_class_names(file) if file else ()


def _numbered(folder: Path, values: Sequence[int]) -> tuple[str, ...]:
    """Names for the values of masks that nobody named."""
    if len(values) > LEVELS or values[-1] > LEVELS:
        shown = ", ".join(map(str, values[:5])) + (" ..." if len(values) > 5 else "")
        raise InputError(
            f"the masks of {folder} hold {len(values)} values ({shown}) that nobody named; use 0 and 255 without "
            f"smoothed edges, or 1, 2, 3 ... with their names in {folder / CLASS_FILES[0]}, one per line"
        )
    return tuple(f"class {number}" for number in range(1, values[-1] + 1))


# Json files


def _from_labelme(folder: Path, pictures: dict[str, Path], class_name: str) -> Found | None:
    places = [folder, *(folder / name for name in LABELME_FOLDERS)]
    files = {
        name: place / f"{name}.json" for place in places for name in pictures if (place / f"{name}.json").is_file()
    }
    if not files:
        return None
    names = _class_names(folder) or tuple(sorted(set().union(*(labelme.names_in(file) for file in files.values()))))
    if not names:
        raise InputError(f"the LabelMe files of {folder} hold no named shape; mark some objects first")
    numbers = {name: number for number, name in enumerate(_few(names, folder), start=1)}
    return names, [
        Annotated(pictures[name], labelme.label_of(file, image_size(pictures[name]), numbers))
        for name, file in sorted(files.items())
    ]


def _from_coco(folder: Path, pictures: dict[str, Path], class_name: str) -> Found | None:
    if not any((*folder.glob("*.json"), *(folder / "annotations").glob("*.json"))):
        return None
    source = find_coco(folder)
    instances = read_instances(source)
    numbers, names = coco_classes(instances, _class_names(folder))
    _few(names, folder)
    found = []
    for picture in instances.pictures():
        name = Path(picture.file_name.replace("\\", "/")).stem
        if name not in pictures:
            raise InputError(f"{source} describes {picture.file_name}, which is not in {folder}; put it there")
        size = picture.height, picture.width
        label = paint(annotations_of(source, picture), size, numbers, VARIANTS[VARIANT])
        found.append(Annotated(pictures[name], _of_size(label, source, pictures[name])))
    shown = sorted({int(value) for one in found for value in np.unique(one.label)} - {0, IGNORE})
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for number, value in enumerate(shown, 1):  # categories without a single mark are no classes to look for
        table[value] = number
    return tuple(names[value - 1] for value in shown), [Annotated(one.image, table[one.label]) for one in found]


def _few(names: Sequence[str], folder: Path) -> Sequence[str]:
    if len(names) > LARGEST_CLASS:
        raise InputError(f"{folder} has {len(names)} classes, but label images can hold {LARGEST_CLASS} at most")
    return names
