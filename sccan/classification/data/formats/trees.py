"""Data sets whose pictures are files: class folders, lists in csv, text and JSON, and CUB's official tree.

Every reader takes the folder of the data set and returns the splits it finds there. Labels are per split, from 0.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sccan.classification.data.splits.class_lists import class_list
from sccan.classification.data.splits.pictures import SPLITS, SUFFIXES, FilePictures, Pictures
from sccan.errors import InputError

Splits = dict[str, Pictures]

RAVI_NAME = re.compile(r"(n\d{8})(\d{8})\.\w+")
"""WordNet id, and position (from 1) of the picture among the class's ImageNet training pictures."""


def read_class_folders(root: Path) -> Splits:
    """``ROOT/{train,val,test}/CLASS/*``: labels follow the sorted folder names, pictures the sorted file names.

    The three may lie in a folder ``images`` (DMF's CIFAR-FS).

    Raises InputError: a class folder without pictures.
    """
    base = next(base for base in (root, root / "images") if has_class_folders(base))
    return {split: read_class_folder(base / split) for split in SPLITS if (base / split).is_dir()}


def has_class_folders(folder: Path) -> bool:
    """Whether there is a folder of at least one split."""
    return any((folder / split).is_dir() for split in SPLITS)


def read_class_folder(folder: Path, *, names: Sequence[str] = ()) -> FilePictures:
    """One folder with a sub-folder per class.

    Args:
        names: sub-folders to take, in this order; by default all, sorted.

    Raises InputError: there is no sub-folder, or one has no pictures (each is told by name).
    """
    classes = list(names) or sorted(
        one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")
    )
    if not classes:
        raise InputError(f"{folder} has no sub-folders; expected one per class, with its pictures inside")
    return _from_folders([folder / name for name in classes], classes, str(folder))


def read_csv_lists(root: Path, imagenet: Path | None = None) -> Splits:
    """``{train,val,test}.csv`` with pictures in ``images/`` or in an ImageNet training tree.

    Columns are ``filename,label`` (Ravi & Larochelle, FEAT, LibFewShot; further columns are ignored) or
    ``class_name,image_name`` (easy-few-shot-learning). Labels follow the order of first appearance.

    Args:
        imagenet: folder of ImageNet's training pictures, one sub-folder per WordNet id. A file name of Ravi &
            Larochelle's lists (``n0153282900000005.jpg``) is no ImageNet name: its last eight digits are the position
            of the picture among the class's, sorted by the number in their file name.

    Raises InputError: an unknown header, or pictures that are not there.
    """
    splits: Splits = {}
    found = _ImageFinder(root / "images", imagenet)
    for split in SPLITS:
        table = root / f"{split}.csv"
        if table.is_file():
            rows = _read_csv(table)
            classes = list(dict.fromkeys(label for _, label in rows))
            position = {name: number for number, name in enumerate(classes)}
            paths = [found(name, label, table) for name, label in rows]
            splits[split] = FilePictures(paths, [position[label] for _, label in rows], classes, title=str(table))
    return splits


def read_text_lists(root: Path) -> Splits:
    """Bertinetto's CIFAR-FS: ``data/CLASS/*.png`` and ``splits/bertinetto/{train,val,test}.txt``, a class per line."""
    splits: Splits = {}
    for split in SPLITS:
        lines = root / "splits" / "bertinetto" / f"{split}.txt"
        if lines.is_file():
            names = [line.strip() for line in _read_text(lines).splitlines() if line.strip()]
            splits[split] = _from_folders([root / "data" / name for name in names], names, str(lines))
    return splits


def read_json_lists(root: Path) -> Splits:
    """A JSON file per split, of easy-few-shot-learning or CloserLookFewShot.

    ``{train,val,test}.json`` with ``class_names`` and ``class_roots``; or ``{base,val,novel}.json`` with
    ``label_names``, ``image_names`` (paths) and ``image_labels``. Relative paths are relative to the file.

    Raises InputError: a file of neither form, or pictures that are not there.
    """
    splits: Splits = {}
    for split, names in zip(SPLITS, (("train", "base"), ("val",), ("test", "novel")), strict=True):
        path = next((root / f"{name}.json" for name in names if (root / f"{name}.json").is_file()), None)
        if path is not None:
            splits[split] = _from_json(path)
    return splits


def read_cub(root: Path, list_name: str) -> Splits:
    """CUB-200-2011's official tree: ``images/CLASS/*.jpg`` (and ``images.txt``, which gives the order if it is there).

    Args:
        list_name: one of the three splits in use, for instance ``cub-closerlook``.

    Raises InputError: folders that the split lists are missing.
    """
    images = root / "images"
    order = {}
    if (root / "images.txt").is_file():
        lines = [line.split(maxsplit=1) for line in _read_text(root / "images.txt").splitlines() if line.strip()]
        order = {path.strip(): int(number) for number, path in lines}
    splits: Splits = {}
    for split, listed in class_list(list_name).items():
        names = [one.name for one in listed]
        pictures = _from_folders([images / name for name in names], names, f"{images} ({list_name}, {split})")
        absent = [path for path in pictures.paths if order and f"{path.parent.name}/{path.name}" not in order]
        if absent:
            raise InputError(f"{absent[0]} is not in {root / 'images.txt'}; the tree was changed, unpack it again")
        splits[split] = pictures
    return splits


class _ImageFinder:
    """Where the picture of a list lies: flat, in a folder per class, or in an ImageNet training tree."""

    def __init__(self, images: Path, imagenet: Path | None) -> None:
        self.images, self.imagenet = images, imagenet
        self._flat = {path.name for path in images.iterdir()} if images.is_dir() else set()
        self._sorted: dict[str, list[Path]] = {}

    def __call__(self, name: str, label: str, table: Path) -> Path:
        if name in self._flat:
            return self.images / name
        if label in self._flat:
            return self.images / label / name
        if self.imagenet is None:
            raise InputError(
                f"{table} lists {name}, which is not in {self.images}; put the pictures there, or name ImageNet's "
                "training folder (--imagenet)"
            )
        match = RAVI_NAME.fullmatch(name)
        if match is None:
            return self.imagenet / name.split("_")[0] / name
        listed, position = self._of_class(match[1]), int(match[2])
        if not 1 <= position <= len(listed):
            raise InputError(
                f"{table} lists picture {position} of {match[1]}, but {self.imagenet} has {len(listed)} of it"
            )
        return listed[position - 1]

    def _of_class(self, wnid: str) -> list[Path]:
        if wnid not in self._sorted and self.imagenet is not None:
            self._sorted[wnid] = sorted(
                (self.imagenet / wnid).glob("*_*.*"), key=lambda path: int(path.stem.split("_")[1])
            )
        return self._sorted[wnid]


def _from_folders(folders: Sequence[Path], names: Sequence[str], title: str) -> FilePictures:
    paths: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        if not folder.is_dir():
            raise InputError(f"{title}: there is no folder {folder} for class {names[label]!r}; check the data root")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(f"class folder {folder} holds no picture; expected files ending in {', '.join(SUFFIXES)}")
        paths += files
        labels += [label] * len(files)
    return FilePictures(paths, labels, names, title=title)


def _from_json(path: Path) -> FilePictures:
    content = _read_json(path)
    if {"class_names", "class_roots"} <= set(content):
        folders = [path.parent / folder for folder in content["class_roots"]]
        return _from_folders(folders, content["class_names"], str(path))
    if {"label_names", "image_names", "image_labels"} <= set(content):
        numbers = sorted(set(content["image_labels"]))  # of 200 listed names, those that this split uses
        position = {number: label for label, number in enumerate(numbers)}
        paths = [path.parent / name for name in content["image_names"]]
        labels = [position[number] for number in content["image_labels"]]
        return FilePictures(paths, labels, [content["label_names"][n] for n in numbers], title=str(path))
    raise InputError(
        f"{path} holds {', '.join(sorted(content)) or 'nothing'}; expected class_names and class_roots, or "
        "label_names, image_names and image_labels"
    )


def _read_csv(table: Path) -> list[tuple[str, str]]:
    """File name and class of every row."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(_read_text(table).splitlines()) if row]
    header = rows[0] if rows else []
    if header[:2] == ["filename", "label"]:
        columns = (0, 1)
    elif header[:2] == ["class_name", "image_name"]:
        columns = (1, 0)
    elif header[:2] == ["filename", "class"]:
        raise InputError(
            f"{table} is a list of the older miniImageNet split (Vinyals et al.), which has other classes; results are "
            "comparable on the lists of Ravi and Larochelle alone (header filename,label)"
        )
    else:
        raise InputError(
            f"{table} begins with {','.join(header)!r}, expected 'filename,label' or 'class_name,image_name'"
        )
    short = next((number for number, row in enumerate(rows, 1) if len(row) < 2), None)
    if short is not None:
        raise InputError(f"{table}, line {short}: expected two columns, but found {len(rows[short - 1])}")
    return [(row[columns[0]], row[columns[1]]) for row in rows[1:]]


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a list or a single value; expected an object with class or image names")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
