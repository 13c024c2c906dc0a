"""Data sets that come as arrays: pickles, npz files, and grids of pictures.

Every reader takes the folder of the data set and returns the splits it finds there. Pickles are read as data only.
Letters: n pictures, h w picture size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sccan.classification.data.formats.pickles import as_text, read_pickle, text_keys
from sccan.classification.data.splits.class_lists import cifar100_names, class_list, name_classes
from sccan.classification.data.splits.pictures import SPLITS, ArrayPictures, EncodedPictures, Pictures, decode_picture
from sccan.errors import InputError
from sccan.files.arrays import read_arrays
from sccan.files.reading import is_there, read_bytes

Splits = dict[str, Pictures]

PICKLE_NAMES: Mapping[str, Sequence[str]] = {
    "train": (
        "miniImageNet_category_split_train_phase_train.pickle",
        "mini-imagenet-cache-train.pkl",
        "train_images_png.pkl",
        "train_images.npz",
        "few-shot-train.npz",
        "CIFAR_FS_train.pickle",
        "FC100_train.pickle",
        "train.pickle",
    ),
    "val": (
        "miniImageNet_category_split_val.pickle",
        "mini-imagenet-cache-val.pkl",
        "mini-imagenet-cache-validation.pkl",
        "val_images_png.pkl",
        "val_images.npz",
        "few-shot-val.npz",
        "CIFAR_FS_val.pickle",
        "FC100_val.pickle",
        "val.pickle",
    ),
    "test": (
        "miniImageNet_category_split_test.pickle",
        "mini-imagenet-cache-test.pkl",
        "test_images_png.pkl",
        "test_images.npz",
        "few-shot-test.npz",
        "CIFAR_FS_test.pickle",
        "FC100_test.pickle",
        "test.pickle",
    ),
}
"""File names of the releases in use. Further files of miniImageNet's training classes (``train_phase_val`` and
``train_phase_test``) are no splits and not read."""

GRID_COLUMNS = 20
GRID_SIDE = 32


def read_pickles(root: Path, *, list_name: str = "", stored_channels: str = "rgb") -> Splits:
    """Pickles and npz files of miniImageNet, tieredImageNet, CIFAR-FS and FC100, in any of the circulating forms.

    Labels are those present in ascending order, counted from 0: the numbers in the files may be global or sparse.

    Args:
        list_name: class list whose numbers are CIFAR-100's fine labels, which gives the classes their names.
        stored_channels: ``bgr`` where arrays were made by OpenCV without swapping (some npz files of tieredImageNet).

    Raises InputError: files of more than one release, content of another form, or a pickle with code in it.
    """
    splits: Splits = {}
    for split, names in PICKLE_NAMES.items():
        found = [root / name for name in names if is_there(root / name, "data of a split")]
        if len(found) > 1:
            raise InputError(
                f"{root} holds {found[0].name} and {found[1].name}, two forms of the {split} split; keep one per folder"
            )
        if found:
            splits[split] = _from_file(found[0], split, list_name, swap=stored_channels == "bgr")
    return splits


def read_cifar_archive(root: Path, list_name: str) -> Splits:
    """CIFAR-100's official Python archive (files ``train`` and ``test``), dealt to the classes of a list.

    Pictures of a class: those of ``train``, then those of ``test``.

    Args:
        list_name: ``cifar-fs`` or ``fc100``.

    Raises InputError: the files hold something else.
    """
    images, labels = [], []
    for name in ("train", "test"):
        content = _mapping(root / name)
        if not {"data", "fine_labels"} <= set(content):
            raise InputError(
                f"{root / name} holds {', '.join(sorted(content))}; expected data and fine_labels of CIFAR-100"
            )
        rows = _images(content["data"], root / name)
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 3 * GRID_SIDE**2:
            raise InputError(f"{root / name}: pictures are {rows.dtype} {list(rows.shape)}, expected uint8 [n, 3072]")
        images.append(rows.reshape(-1, 3, GRID_SIDE, GRID_SIDE).transpose(0, 2, 3, 1))
        labels.append(_whole(content["fine_labels"], root / name))
        if len(labels[-1]) != len(images[-1]):
            raise InputError(f"{root / name}: {len(images[-1])} pictures but {len(labels[-1])} labels; fetch it again")
    pictures, fine = np.concatenate(images), np.concatenate(labels)
    splits: Splits = {}
    for split, listed in class_list(list_name).items():
        numbers = sorted(int(one.aliases[0]) for one in listed)
        chosen = np.flatnonzero(np.isin(fine, numbers))
        splits[split] = ArrayPictures(
            pictures[chosen],
            np.searchsorted(numbers, fine[chosen]),
            [cifar100_names()[number] for number in numbers],
            title=f"{root} ({list_name}, {split})",
        )
    return splits


def read_grids(root: Path) -> Splits:
    """``{train,val,test}/CLASS.webp``: all pictures of a class as one lossless grid of 20 columns of 32x32 pictures.

    Labels follow the sorted class names, pictures the grid's rows.

    Raises InputError: a picture that is no such grid.
    """
    splits: Splits = {}
    for split in SPLITS:
        files = sorted((root / split).glob("*.webp"))
        if files:
            grids = [_cut_grid(path) for path in files]
            labels = np.repeat(np.arange(len(files)), [len(grid) for grid in grids])
            splits[split] = ArrayPictures(
                np.concatenate(grids), labels, [path.stem for path in files], title=str(root / split)
            )
    return splits


def _cut_grid(path: Path) -> np.ndarray:
    """The pictures of a grid, uint8 [n, 32, 32, 3]."""
    grid = decode_picture(read_bytes(path, "grid"), str(path))
    height, width, _ = grid.shape
    if width != GRID_COLUMNS * GRID_SIDE or height % GRID_SIDE:
        raise InputError(
            f"{path} is {height}x{width}; expected {GRID_COLUMNS} columns of {GRID_SIDE}x{GRID_SIDE} pictures"
        )
    cells = grid.reshape(-1, GRID_SIDE, GRID_COLUMNS, GRID_SIDE, 3)
    return cells.transpose(0, 2, 1, 3, 4).reshape(-1, GRID_SIDE, GRID_SIDE, 3)


def _from_file(path: Path, split: str, list_name: str, *, swap: bool) -> Pictures:
    """A split from its one file, whose content says which form it is."""
    if path.suffix == ".npz":
        images, labels, names = _from_npz(path, split)
        return ArrayPictures(images, labels, names or _made_up(labels), title=str(path), named=bool(names), swap=swap)
    content = read_pickle(path)
    if isinstance(content, list):
        return _from_png_list(content, path, split)
    content = text_keys(content) if isinstance(content, dict) else {}
    if {"image_data", "class_dict"} <= set(content):
        return _from_ren_cache(content, path)
    if {"data", "labels"} <= set(content):
        labels, numbers = _dense(content["labels"], path)
        names = _cifar_names(numbers, list_name, split)
        return ArrayPictures(
            _images(content["data"], path),
            labels,
            names or _made_up(labels, numbers),
            title=str(path),
            named=bool(names),
        )
    raise InputError(
        f"{path} holds {', '.join(sorted(content)) or type(content).__name__}; expected data and labels, "
        "image_data and class_dict, or a list of encoded pictures"
    )


def _from_ren_cache(content: Mapping[str, Any], path: Path) -> Pictures:
    """Ren's cache of miniImageNet: one array, and the rows of every WordNet id."""
    if not isinstance(content["class_dict"], dict):
        raise InputError(f"{path}: class_dict is a {type(content['class_dict']).__name__}; expected rows by class")
    rows = {as_text(name): _whole(listed, path) for name, listed in content["class_dict"].items()}
    names = sorted(rows)
    images = _images(content["image_data"], path)
    labels = np.full(len(images), -1)
    for label, name in enumerate(names):
        if rows[name].max(initial=0) >= len(images):
            raise InputError(f"{path}: {name} names row {rows[name].max()} of {len(images)} pictures; fetch it again")
        if (labels[rows[name]] >= 0).any() or len(np.unique(rows[name])) < len(rows[name]):
            raise InputError(f"{path}: a picture of {name} is named twice; every picture has one class")
        labels[rows[name]] = label
    if (labels < 0).any():
        raise InputError(f"{path}: {int((labels < 0).sum())} pictures belong to no class of class_dict; fetch it again")
    return ArrayPictures(images, labels, names, title=str(path))


def _from_png_list(content: list[Any], path: Path, split: str) -> Pictures:
    """Ren's tieredImageNet: a list of PNG files, each an array of bytes; they decode to red, green, blue."""
    labels, names = _labels_beside(path, split)
    parts = [_file_bytes(item, path) for item in content]
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    return EncodedPictures(
        np.concatenate(parts) if parts else np.zeros(0, np.uint8),
        offsets,
        labels,
        names or _made_up(labels),
        title=str(path),
        named=bool(names),
    )


def _file_bytes(item: Any, path: Path) -> np.ndarray:
    if isinstance(item, bytes):
        return np.frombuffer(item, np.uint8)
    if not isinstance(item, np.ndarray) or item.dtype != np.uint8:
        raise InputError(f"{path} holds a {type(item).__name__} where the bytes of a picture are expected")
    return item.ravel()


def _labels_beside(path: Path, split: str) -> tuple[np.ndarray, list[str]]:
    """Labels of tieredImageNet from ``SPLIT_labels.pkl``: Ren's ``label_specific`` or MetaOptNet's ``labels``."""
    beside = path.with_name(f"{split}_labels.pkl")
    content = _mapping(beside)
    key = next((key for key in ("label_specific", "labels") if key in content), None)
    if key is None:
        raise InputError(f"{beside} holds {', '.join(sorted(content))}; expected label_specific or labels")
    labels, numbers = _dense(content[key], beside)
    words = content.get("label_specific_str")
    if words is None:
        return labels, []
    if not isinstance(words, list | tuple | np.ndarray) or len(words) <= max(numbers, default=0):
        raise InputError(f"{beside}: label_specific_str has no name for the label {max(numbers)}; fetch it again")
    return labels, [as_text(words[number]) for number in numbers]


def _from_npz(path: Path, split: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pictures, labels, names of tieredImageNet (``images``, labels beside) or TasNet (``features``, ``targets``)."""
    stored = read_arrays(path, ("features", "targets", "images"))
    if {"features", "targets"} <= set(stored):
        return stored["features"], _dense(stored["targets"], path)[0], []
    if "images" not in stored:
        raise InputError(f"{path} holds other arrays; expected the array images, or features and targets")
    return stored["images"], *_labels_beside(path, split)


def _mapping(path: Path) -> dict[str, Any]:
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}; expected a dictionary")
    return text_keys(content)


def _images(value: Any, path: Path) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise InputError(f"{path}: the pictures are a {type(value).__name__}; expected an array")
    return value


def _whole(labels: Any, path: Path) -> np.ndarray:
    """Labels or rows as int64 [n].

    Raises InputError: they are no list of whole numbers from 0.
    """
    try:
        found = np.asarray(labels)
    except ValueError as error:
        raise InputError(f"{path}: labels are lists of several lengths; expected a number for every picture") from error
    if found.ndim != 1 or (found.dtype.kind not in "iuf" and found.size):
        raise InputError(f"{path}: labels are {found.dtype} {list(found.shape)}; expected whole numbers, one a picture")
    unfit = found[~((found >= 0) & (found < 1 << 31) & (found == np.floor(found)))]
    if len(unfit):
        raise InputError(f"{path}: a label is {unfit[0]}; expected whole numbers from 0")
    return found.astype(np.int64)


def _dense(labels: Any, path: Path) -> tuple[np.ndarray, list[int]]:
    """Labels counted from 0 without gaps, and the number that each stands for."""
    numbers, dense = np.unique(_whole(labels, path), return_inverse=True)
    return dense.reshape(-1), numbers.tolist()


def _cifar_names(numbers: Sequence[int], list_name: str, split: str) -> list[str]:
    """Names of CIFAR-100's fine labels, if the numbers are exactly those that a list gives the split."""
    if list_name not in ("cifar-fs", "fc100"):
        return []
    matched = name_classes([str(number) for number in numbers], class_list(list_name)[split])
    names = [one.name for one in matched if one is not None]
    return names if len(names) == len(matched) else []


def _made_up(labels: np.ndarray, numbers: Sequence[int] | None = None) -> list[str]:
    return [f"class_{number:03d}" for number in (numbers or range(int(labels.max(initial=-1)) + 1))]
