"""A folder of one's own as a data set: pictures with label PNGs, or with what a labelling tool has exported.

    images/ (or JPEGImages/)                     the pictures, also in sub-folders
    labels/ (or masks/, SegmentationClassAug/)   label PNGs of the same names, or instead
    *.json, *.xml, *.txt ...                     an export (`sccan.segmentation.data.annotations.formats`)
    classes.txt                                  class names, one per line; needed for label PNGs, else optional
    folds.txt                                    names of the novel classes of fold 0, 1, ...: a line each; optional
    train.txt, val.txt                           names of pictures, one per line; optional

Nothing is written into the folder: label images made from annotations go to the cache.
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
from sccan.files.inside import real
from sccan.files.kinds import IMAGE_FOLDERS, LABEL_FOLDERS, PICTURE_SUFFIXES
from sccan.files.matching import PictureNames
from sccan.files.parallel import in_parallel
from sccan.files.plain import as_utf8, plain
from sccan.files.reading import list_text
from sccan.files.structured import parse_json
from sccan.files.tally import Note, Tally
from sccan.files.writing import write_json
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, merged
from sccan.segmentation.data.annotations.formats import read_annotations
from sccan.segmentation.data.annotations.mask_pngs import masks_of, orphans
from sccan.segmentation.data.annotations.places import Place, look_at
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS, is_finished, write_label
from sccan.segmentation.data.sets.datasets import CLASS_FILES, DATASETS, Dataset, describe
from sccan.segmentation.data.sets.folds import FOLD_RULES, Fold
from sccan.segmentation.data.sets.lists import Pairs, read_class_names
from sccan.segmentation.data.sets.record import label_variant

FOLDER = "folder"
FOLDS_FILE = "folds.txt"
TRAINING = ("train", "training")
"""Parts of a data set that are trained on."""
DRAWN = "2"
"""Changes when labels are drawn otherwise, so that those in the cache are made anew."""


@dataclass(frozen=True)
class FolderDataset(Dataset):
    """A data set of one's own.

    Attributes:
        everything: image (relative to the root) and label of every labelled picture, by name.
        novel_by_fold: class numbers tested in fold 0, 1, ...; empty: folds follow from the rule.
        label_variant: how the labels were made, for results.
        parts: part of every picture (``train``, ``valid`` ...); empty: the folder has none.
    """

    everything: tuple[tuple[str, str], ...] = ()
    novel_by_fold: tuple[tuple[int, ...], ...] = ()
    label_variant: str = "label PNGs"
    parts: tuple[str, ...] = ()
    strict: bool = True

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
                return self._of_part(train)
        inside = root / name
        return _listed(inside if inside.is_file() else Path(name), root, self.everything)

    def _of_part(self, train: bool) -> Pairs:
        """All pictures, or those of the folder's own parts."""
        parts = self.parts or ("",) * len(self.everything)
        chosen = [pair for pair, part in zip(self.everything, parts, strict=True) if (part in TRAINING) == train]
        return chosen if len(chosen) < len(self.everything) and chosen else list(self.everything)


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
    place = look_at(root, names, masks_beside=False)
    _require_pictures(place)
    told = Tally()
    classes, pairs, variant = _labelled(place, cache_folder(cache), workers, told)
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
        parts=tuple(place.part_of(root / image) for image, _ in pairs),
        notes=tuple(told.lines()),
    )


def _require_pictures(place: Place) -> None:
    """Raises InputError: there is no picture."""
    if place.pictures.files:
        return
    folder = next((place.root / name for name in IMAGE_FOLDERS if (place.root / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{place.root} has no folder {' or '.join(IMAGE_FOLDERS[:2])}; put your pictures there")
    raise InputError(f"{folder} has no pictures ({', '.join(PICTURE_SUFFIXES)})")


def read_folds(path: Path, class_names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the novel classes of every fold, from a line of names each, separated by commas.

    Raises InputError: the file is unreadable or empty, a name is no class, a class is named twice, or a fold leaves no
        class to train on.
    """
    try:
        lines = [line.strip() for line in list_text(path, "folds").splitlines()]
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


@dataclass(frozen=True)
class LabelTask:
    """One label image to make.

    Attributes:
        marked: the picture and its annotation.
        numbers: class name -> number.
        target: the label image.
    """

    marked: Marked
    numbers: dict[str, int]
    target: Path

    @property
    def notes_file(self) -> Path:
        """What was said while the label was made; written where there was something to say."""
        return self.target.with_suffix(".json")

    def notes(self) -> list[Note]:
        """What was said while the label was made. Raises InputError: the cache is damaged."""
        if not self.notes_file.is_file():
            return []
        return parse_json(self.notes_file.read_bytes(), list[tuple[str, str]], f"cached notes {self.notes_file}")


def make_label(task: LabelTask) -> None:
    """Writes the label image of one picture, and what there is to say about it.

    Raises InputError: the annotation is unfit, or a file cannot be written.
    """
    label, notes = task.marked.label(task.numbers)
    if notes:
        write_json(task.notes_file, notes)
    write_label(task.target, label)


def _labelled(place: Place, cache: Path, workers: int, told: Tally) -> tuple[Sequence[str], Pairs, str]:
    """Class names, pairs of image and label, and how the labels were made."""
    tools = read_annotations(place)
    used = frozenset().union(*(found.used for found in tools))
    root, labels = place.root, {}
    masks = {image: mask for image, mask in masks_of(place).items() if mask not in used and mask.parent != image.parent}
    classes, variants = place.class_names, []
    if masks and tools and not classes:
        told.extend(
            ("passed over, as classes.txt does not name their numbers", place.below(mask)) for mask in masks.values()
        )
        masks = {}
    folder = next(
        (root / name for name in LABEL_FOLDERS if any(root / name in mask.parents for mask in place.ending(".png"))),
        None,
    )
    if masks or (folder is not None and not tools):
        if not classes:
            raise InputError(
                f"the classes of {root} are not known; name them in {root / CLASS_FILES[0]}, one per line, or set "
                "DATA.CLASSES"
            )
        labels = {image: mask.relative_to(root).as_posix() for image, mask in masks.items()}
        variants = ["label PNGs"] * bool(masks)
    if tools:
        found = merged(tools)
        told.extend(found.told)
        classes = classes or found.classes
        told.extend(
            ("annotated twice; the label PNG was taken", place.below(one.image))
            for one in found.pictures
            if one.image in labels
        )
        labels = (
            _drawn(
                found, [one for one in found.pictures if one.image not in labels], classes, place, cache, workers, told
            )
            | labels
        )
        variants.append(found.how)
    elif folder is None:
        raise InputError(
            f"{root} has pictures but no labels: expected label PNGs in {LABEL_FOLDERS[0]}/, or the export of a "
            f"labelling "
            f"tool (COCO, LabelMe ...){_held(place)}"
        )
    if not labels:
        what = f"a label PNG in {folder}" if folder is not None else "an annotation"
        said = "; ".join(told.lines())
        advice = "give both the same name" if folder is not None or not said else "mark some objects"
        raise InputError(
            f"none of the {len(place.pictures.files)} pictures has {what}; {advice}{f' ({said})' * bool(said)}"
        )
    bare = [image for image in place.pictures.files if image not in labels]
    told.extend(("left out, as they have no label", place.below(image)) for image in bare)
    used |= frozenset(masks.values()) | frozenset(
        one for one in place.files if one.suffix == ".txt" and one.parent == root
    )
    told.extend(orphans(place, used))
    told.extend(place.unused(used | frozenset(place.ending(".png"))))
    unnamed = [image for image in labels if as_utf8(str(image)) != str(image)]
    told.extend(("left out, as their names are no UTF-8 text; rename them", place.below(image)) for image in unnamed)
    pairs = [
        (image.relative_to(root).as_posix(), labels[image])
        for image in place.pictures.files
        if image in labels and image not in unnamed
    ]
    return classes, pairs, ", ".join(variants)


def _drawn(
    found: Annotations,
    pictures: Sequence[Marked],
    classes: Sequence[str],
    place: Place,
    cache: Path,
    workers: int,
    told: Tally,
) -> dict[Path, str]:
    """Image -> label image in the cache, made where it is not there yet."""
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    name = real(place.root).name
    folder = cache / "labels" / f"{name}-{_digest(place.root, found.used, [DRAWN, found.how, *classes])}"
    tasks = [LabelTask(one, numbers, folder / f"{place.pictures.key_of[one.image]}.png") for one in pictures]
    left = [task for task in tasks if not is_finished(task.target)]
    for _ in in_parallel(make_label, left, total=len(left), workers=workers, title=f"labels of {name}"):
        pass
    for task in tasks:
        told.extend(task.notes())
    return {task.marked.image: str(real(task.target)) for task in tasks}


def _held(place: Place) -> str:
    """What a folder holds instead of labels."""
    lines = place.unused(frozenset()).lines()
    return f" ({'; '.join(lines)})" if lines else ""


def _class_file(root: Path, given: str) -> tuple[str, ...]:
    """Class names from the given file or the usual places; empty where there is none."""
    if given:
        inside = root / given
        return read_class_names(inside if inside.is_file() else Path(given))
    file = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
    return read_class_names(file) if file else ()


def _listed(path: Path, root: Path, everything: Sequence[tuple[str, str]]) -> Pairs:
    """The pairs whose pictures a list names: by name, by file, or as "image label"."""
    try:
        lines = [line.strip() for line in list_text(path, "list").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise InputError(f"list {path} {reason}; expected a text file with one picture per line") from error
    known = {root / image: (image, label) for image, label in everything}
    names = PictureNames(root, list(known))
    pairs: dict[Path, tuple[str, str]] = {}
    for line in lines:
        found = names.find(line) or names.find(line.split()[0])
        if found is None:
            hint = nearest(line, [image.stem for image in known])
            raise InputError(f"list {path} names {plain(line)!r}, which has no picture with a label{hint}")
        pairs[found] = known[found]
    if not pairs:
        raise InputError(f"list {path} is empty; expected one picture per line")
    return list(pairs.values())


def _digest(root: Path, files: Iterable[Path], words: Sequence[str]) -> str:
    """Changes with the root, with the content of the files and with the words."""
    digest = hashlib.sha256(json.dumps([str(real(root)), *words]).encode())
    for file in sorted(files):
        status = os.stat(file)
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
