"""A folder of one's own as a data set: pictures with label PNGs, with one COCO json, or with LabelMe json files.

    images/ (or JPEGImages/)                     the pictures
    labels/ (or masks/, SegmentationClassAug/)   label PNGs of the same names, or instead
    annotations.json                             instances in COCO's format (any name, also in annotations/), or instead
    labelme/NAME.json                            one LabelMe file per picture (also beside the pictures)
    classes.txt                                  class names, one per line; needed for label PNGs, else optional
    folds.txt                                    names of the novel classes of fold 0, 1, ...: a line each; optional
    train.txt, val.txt                           names of pictures, one per line; optional

Nothing is written into the folder: label images made from json files go to the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.episodes.index import ClassIndex
from sccan.errors import InputError, nearest
from sccan.files.cache import cache_folder
from sccan.files.kinds import IMAGE_FOLDERS, LABEL_FOLDERS, LABELME_FOLDERS
from sccan.files.parallel import in_parallel
from sccan.segmentation.data.annotations import labelme
from sccan.segmentation.data.annotations.coco_files import VARIANT, coco_classes, find_coco
from sccan.segmentation.data.annotations.coco_labels import LabelTask, make_label
from sccan.segmentation.data.annotations.instances import read_instances
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS, is_finished
from sccan.segmentation.data.sets.datasets import CLASS_FILES, DATASETS, Dataset, describe
from sccan.segmentation.data.sets.folds import FOLD_RULES, Fold
from sccan.segmentation.data.sets.lists import SUFFIXES, Pairs, read_class_names
from sccan.segmentation.data.sets.record import label_variant

FOLDER = "folder"
FOLDS_FILE = "folds.txt"


@dataclass(frozen=True)
class FolderDataset(Dataset):
    """A data set of one's own.

    Attributes:
        everything: image (relative to the root) and label of every labelled picture, by name.
        novel_by_fold: class numbers tested in fold 0, 1, ...; empty: folds follow from the rule.
        label_variant: how the labels were made, for results.
    """

    everything: tuple[tuple[str, str], ...] = ()
    novel_by_fold: tuple[tuple[int, ...], ...] = ()
    label_variant: str = "label PNGs"

    @property
    def folds(self) -> tuple[Fold, ...]:
        if not self.novel_by_fold:
            return super().folds
        numbers = range(1, self.n_classes + 1)
        return tuple(
            Fold(number, base=tuple(c for c in numbers if c not in novel), novel=novel)
            for number, novel in enumerate(self.novel_by_fold)
        )

    def pairs(self, root: Path, *, train: bool) -> Pairs:
        """Image and label of every picture of a part.

        Without a list, training and testing share all pictures: those with novel pixels are never trained on.

        Raises InputError: the list is missing or names a picture that has no label.
        """
        name = self.train_list if train else self.val_list
        if not name:
            name = "train.txt" if train else "val.txt"
            if not (root / name).is_file():
                return list(self.everything)
        inside = root / name
        return _listed(inside if inside.is_file() else Path(name), self.everything)


def made_as(dataset: Dataset, index: ClassIndex) -> str:
    """How the label images of a data set were made, for results; ``unknown`` if nobody wrote it down.

    Raises InputError: the record below the root is spoilt.
    """
    return dataset.label_variant if isinstance(dataset, FolderDataset) else label_variant(index.root, index.labels[0])


def open_dataset(
    name: str, root: str | Path, *, cache: str | Path | None = None, workers: int = 1, **settings: Any
) -> Dataset:
    """A known data set (`describe`), or the folder of one's own that DATA.ROOT names.

    Args:
        name: a key of `DATASETS`.
        root: data root.
        cache: folder for label images made from json files; None: the usual one.
        workers: processes that make them.
        settings: what replaces the data set's own, see `describe`.

    Raises InputError: see `describe`; the folder has no known form, or its annotations are unfit.
    """
    if name != FOLDER:
        return describe(name, root, **settings)
    return open_folder(Path(root), cache=cache, workers=workers, **settings)


def open_folder(
    root: Path,
    *,
    cache: str | Path | None = None,
    workers: int = 1,
    class_file: str = "",
    n_folds: int = 0,
    fold_rule: str = "",
    train_list: str = "",
    val_list: str = "",
) -> FolderDataset:
    """The data set in a folder of one's own; label images are made where it has json files instead.

    Args and Raises: see `open_dataset` and `describe`.
    """
    if not root.is_dir():
        raise InputError(f"data root {root} does not exist; set DATA.ROOT to the folder that holds your pictures")
    if fold_rule not in ("", *FOLD_RULES):
        hint = nearest(fold_rule, FOLD_RULES)
        raise InputError(f"unknown fold rule {fold_rule!r}; expected {' or '.join(FOLD_RULES)}{hint}")
    names = _class_file(root, class_file)
    images = find_images(root)
    classes, pairs, variant = _labelled(root, images, names, cache_folder(cache), workers)
    if len(classes) > LARGEST_CLASS:
        raise InputError(f"{root} has {len(classes)} classes, but label images can hold {LARGEST_CLASS} at most")
    novel = read_folds(root / FOLDS_FILE, classes) if (root / FOLDS_FILE).is_file() else ()
    return FolderDataset(
        name=FOLDER,
        class_names=tuple(classes),
        n_folds=len(novel) or n_folds or DATASETS[FOLDER].n_folds,
        fold_rule=fold_rule or DATASETS[FOLDER].fold_rule,
        train_list=train_list,
        val_list=val_list,
        everything=tuple(pairs),
        novel_by_fold=novel,
        label_variant=variant,
    )


def find_images(root: Path) -> dict[str, str]:
    """Name -> path below the root of every picture.

    Raises InputError: there is no folder of pictures, it is empty, or two pictures have one name.
    """
    folder = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{root} has no folder {' or '.join(IMAGE_FOLDERS)}; put your pictures there")
    images: dict[str, str] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES:
            continue
        if file.stem in images:
            raise InputError(
                f"{folder} has two pictures called {file.stem} ({images[file.stem]}, {file.name}); rename one"
            )
        images[file.stem] = f"{folder.name}/{file.name}"
    if not images:
        raise InputError(f"{folder} has no pictures ({', '.join(SUFFIXES)})")
    return images


def read_folds(path: Path, class_names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the novel classes of every fold, from a line of names each, separated by commas.

    Raises InputError: the file is unreadable or empty, a name is no class, a class is named twice, or a fold leaves no
        class to train on.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"folds {path} cannot be read: {error}") from error
    numbers = {name: number for number, name in enumerate(class_names, start=1)}
    folds: list[tuple[int, ...]] = []
    seen: set[str] = set()
    for line in lines:
        names = [name.strip() for name in line.split(",") if name.strip()]
        if not names or line.startswith("#"):
            continue
        for name in names:
            if name not in numbers:
                raise InputError(f"folds {path} name {name!r}, which is no class{nearest(name, numbers)}")
            if name in seen:
                raise InputError(f"folds {path} name {name!r} twice; a class is novel in one fold at most")
            seen.add(name)
        if len(names) == len(numbers):
            raise InputError(
                f"folds {path}: fold {len(folds)} makes all {len(names)} classes novel; leave some to train on"
            )
        folds.append(tuple(sorted(numbers[name] for name in names)))
    if not folds:
        raise InputError(f"folds {path} is empty; expected a line of class names per fold")
    return tuple(folds)


# Labels


def _labelled(
    root: Path, images: dict[str, str], names: Sequence[str], cache: Path, workers: int
) -> tuple[Sequence[str], Pairs, str]:
    """Class names, pairs of image and label, and how the labels were made."""
    folder = next((name for name in LABEL_FOLDERS if any((root / name).glob("*.png"))), None)
    if folder is not None:
        if not names:
            raise InputError(
                f"the classes of {root} are not known; name them in {root / CLASS_FILES[0]}, one per line, or set "
                "DATA.CLASSES"
            )
        labels = {file.stem: f"{folder}/{file.name}" for file in (root / folder).glob("*.png")}
        return names, _matched(images, labels, f"a label PNG in {root / folder}"), "label PNGs"
    shapes = find_labelme(root, images)
    if shapes:
        return _from_labelme(root, images, shapes, names, cache, workers)
    return _from_coco(root, images, find_coco(root), names, cache, workers)


def find_labelme(root: Path, images: Iterable[str]) -> dict[str, Path]:
    """Picture name -> LabelMe file of the same name."""
    found: dict[str, Path] = {}
    for folder in LABELME_FOLDERS:
        found |= {file.stem: file for file in sorted((root / folder).glob("*.json")) if file.stem in set(images)}
    return found


def _from_labelme(
    root: Path, images: dict[str, str], shapes: dict[str, Path], names: Sequence[str], cache: Path, workers: int
) -> tuple[Sequence[str], Pairs, str]:
    classes = names or sorted(set().union(*(labelme.names_in(file) for file in shapes.values())))
    if not classes:
        raise InputError(f"the LabelMe files of {root} hold no named shape; mark some objects first")
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    folder = cache / "labels" / f"{root.resolve().name}-{_digest(root, shapes.values(), classes)}"
    tasks = [
        labelme.LabelMeTask(file, root / images[name], numbers, folder / f"{name}.png") for name, file in shapes.items()
    ]
    left = [task for task in tasks if not is_finished(task.target)]
    for _ in in_parallel(labelme.make_label, left, total=len(left), workers=workers, title=f"labels of {root.name}"):
        pass
    labels = {task.target.stem: str(task.target.resolve()) for task in tasks}
    return classes, _matched(images, labels, "a LabelMe file"), "LabelMe shapes"


def _from_coco(
    root: Path, images: dict[str, str], source: Path, names: Sequence[str], cache: Path, workers: int
) -> tuple[Sequence[str], Pairs, str]:
    instances = read_instances(source)
    numbers, classes = coco_classes(instances, names)
    folder = cache / "labels" / f"{root.resolve().name}-{_digest(root, [source], [*classes, VARIANT])}"
    tasks = []
    for picture in instances.pictures():
        name = Path(picture.file_name.replace("\\", "/")).stem
        if name not in images:
            raise InputError(f"{source} describes {picture.file_name}, which is not in {root / _folder_of(images)}")
        tasks.append(LabelTask(source, picture, VARIANT, numbers, folder / f"{name}.png"))
    left = [task for task in tasks if not is_finished(task.target)]
    for _ in in_parallel(make_label, left, total=len(left), workers=workers, title=f"labels of {root.name}"):
        pass
    labels = {task.target.stem: str(task.target.resolve()) for task in tasks}
    return classes, _matched(images, labels, f"an annotation in {source}"), f"COCO annotations, {VARIANT}"


def _class_file(root: Path, given: str) -> tuple[str, ...]:
    """Class names from the given file or the usual places; empty where there is none."""
    if given:
        inside = root / given
        return read_class_names(inside if inside.is_file() else Path(given))
    file = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
    return read_class_names(file) if file else ()


def _matched(images: dict[str, str], labels: dict[str, str], what: str) -> Pairs:
    pairs = [(image, labels[name]) for name, image in images.items() if name in labels]
    if not pairs:
        raise InputError(f"none of the {len(images)} pictures has {what}; give both the same name")
    return pairs


def _listed(path: Path, everything: Iterable[tuple[str, str]]) -> Pairs:
    """The pairs whose pictures a list names: by name, by file, or as "image label"."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise InputError(f"list {path} {reason}; expected a text file with one picture per line") from error
    known = {Path(image).stem: (image, label) for image, label in everything}
    pairs: dict[str, tuple[str, str]] = {}
    for line in lines:
        plain = line.replace("\\", "/")
        name = next((n for n in (plain, Path(plain).stem, Path(plain.split()[0]).stem) if n in known), None)
        if name is None:
            raise InputError(f"list {path} names {line!r}, which has no picture with a label{nearest(line, known)}")
        pairs[name] = known[name]
    if not pairs:
        raise InputError(f"list {path} is empty; expected one picture per line")
    return list(pairs.values())


def _digest(root: Path, files: Iterable[Path], words: Sequence[str]) -> str:
    """Changes with the root, with the content of the files and with the words."""
    digest = hashlib.sha256(json.dumps([str(root.resolve()), *words]).encode())
    for file in files:
        status = os.stat(file)
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _folder_of(images: dict[str, str]) -> str:
    return Path(next(iter(images.values()))).parent.name
