"""Data sets whose pictures are files: class folders, lists in csv, text and JSON, and CUB's official tree.

Every reader takes the folder of the data set and returns the splits it finds there. Labels are per split, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sccan.classification.data.splits.class_lists import class_list
from sccan.classification.data.splits.pictures import SPLITS, FilePictures, Pictures
from sccan.errors import InputError
from sccan.files.inside import inside
from sccan.files.kinds import PICTURE_SUFFIXES
from sccan.files.reading import csv_rows, is_there, read_lines
from sccan.files.structured import Count, Name, as_kind, read_json, shown
from sccan.files.tally import Tally
from sccan.files.walking import walk

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


def read_class_folder(folder: Path) -> FilePictures:
    """One folder with a sub-folder per class, sorted by name.

    Raises InputError: there is no sub-folder, or one has no pictures (each is told by name).
    """
    top = walk(folder, deep=False)
    classes = [one.name for one in top.folders]
    if not classes:
        raise InputError(f"{folder} has no sub-folders; expected one per class, with its pictures inside")
    pictures = _from_folders([folder / name for name in classes], classes, str(folder))
    pictures.passed.extend(top.passed)
    return pictures


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
        if is_there(table, "table of pictures"):
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
        if is_there(lines, "list of classes"):
            names = [name for _, name in read_lines(lines, "list of classes")]
            folders = [inside(root / "data", name, str(lines)) for name in names]
            splits[split] = _from_folders(folders, names, str(lines))
    return splits


def read_json_lists(root: Path) -> Splits:
    """A JSON file per split, of easy-few-shot-learning or CloserLookFewShot.

    ``{train,val,test}.json`` with ``class_names`` and ``class_roots``; or ``{base,val,novel}.json`` with
    ``label_names``, ``image_names`` (paths) and ``image_labels``. Relative paths are relative to the file.

    Raises InputError: a file of neither form, or pictures that are not there.
    """
    splits: Splits = {}
    for split, names in zip(SPLITS, (("train", "base"), ("val",), ("test", "novel")), strict=True):
        files = [root / f"{name}.json" for name in names]
        path = next((file for file in files if is_there(file, "list of pictures")), None)
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
        order = _numbered(root / "images.txt")
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
        inside(self.images, f"{label}/{name}", str(table))
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
            if not (self.imagenet / wnid).is_dir():
                raise InputError(f"{self.imagenet} has no folder {wnid}; name ImageNet's training folder (--imagenet)")
            self._sorted[wnid] = sorted(
                (path for path in (self.imagenet / wnid).iterdir() if re.fullmatch(r"n\d+_\d+", path.stem)),
                key=lambda path: int(path.stem.split("_")[1]),
            )
        return self._sorted[wnid]


def _from_folders(folders: Sequence[Path], names: Sequence[str], title: str) -> FilePictures:
    paths: list[Path] = []
    labels: list[int] = []
    passed = Tally()
    for label, folder in enumerate(folders):
        if not folder.is_dir():
            raise InputError(f"{title}: there is no folder {folder} for class {names[label]!r}; check the data root")
        walked = walk(folder, deep=False)
        files = walked.pictures
        passed.extend((what, f"{folder.name}/{name}") for what, name in walked.others())
        if not files:
            raise InputError(
                f"class folder {folder} holds no picture; expected files ending in {', '.join(PICTURE_SUFFIXES)}"
            )
        paths += files
        labels += [label] * len(files)
    pictures = FilePictures(paths, labels, names, title=title)
    pictures.passed.extend(passed)
    return pictures


class _ClassRoots(msgspec.Struct):
    """easy-few-shot-learning: a folder for every class."""

    class_names: list[Name]
    class_roots: list[Name]


class _NamedImages(msgspec.Struct):
    """CloserLookFewShot: a path and a label for every picture."""

    label_names: list[Name]
    image_names: list[Name]
    image_labels: list[Count]


def _from_json(path: Path) -> FilePictures:
    content: dict[str, Any] = read_json(path, dict[str, Any], "list of pictures")
    source = f"list of pictures {path}"
    if {"class_names", "class_roots"} <= set(content):
        roots: _ClassRoots = as_kind(content, _ClassRoots, source)
        if len(roots.class_names) != len(roots.class_roots):
            raise InputError(
                f"{source}: {len(roots.class_names)} names but {len(roots.class_roots)} folders of classes"
            )
        folders = [inside(path.parent, folder, source) for folder in roots.class_roots]
        return _from_folders(folders, roots.class_names, str(path))
    if {"label_names", "image_names", "image_labels"} <= set(content):
        images: _NamedImages = as_kind(content, _NamedImages, source)
        numbers = sorted(set(images.image_labels))  # of 200 listed names, those that this split uses
        if len(images.image_names) != len(images.image_labels):
            raise InputError(f"{source}: {len(images.image_names)} pictures but {len(images.image_labels)} labels")
        if max(numbers, default=-1) >= len(images.label_names):
            raise InputError(f"{source}: label {numbers[-1]}, but {len(images.label_names)} names; fetch it again")
        position = {number: label for label, number in enumerate(numbers)}
        paths = [inside(path.parent, name, source) for name in images.image_names]
        labels = [position[number] for number in images.image_labels]
        return FilePictures(paths, labels, [images.label_names[n] for n in numbers], title=str(path))
    raise InputError(
        f"{path} holds {shown(', '.join(sorted(content)) or 'nothing')}; expected class_names and class_roots, or "
        "label_names, image_names and image_labels"
    )


def _numbered(table: Path) -> dict[str, int]:
    """Path -> number of the lines of CUB's images.txt."""
    order = {}
    for place, line in read_lines(table, "list of pictures"):
        number, _, name = line.partition(" ")
        if not re.fullmatch(r"\d{1,9}", number) or not name.strip():
            raise InputError(f"{table}, line {place}: expected a number and a path, found {shown(line)}")
        order[name.strip()] = int(number)
    return order


def _read_csv(table: Path) -> list[tuple[str, str]]:
    """File name and class of every row."""
    rows = [row for row in csv_rows(table, "table of pictures") if row]
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
            f"{table} begins with {shown(','.join(header))}, expected 'filename,label' or 'class_name,image_name'"
        )
    short = next((number for number, row in enumerate(rows, 1) if len(row) < 2), None)
    if short is not None:
        raise InputError(f"{table}, line {short}: expected two columns, but found {len(rows[short - 1])}")
    return [(row[columns[0]], row[columns[1]]) for row in rows[1:]]
