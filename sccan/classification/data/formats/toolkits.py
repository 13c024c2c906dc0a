"""Data sets as other toolkits keep them: torchmeta's hdf5 files and LibFewShot's memory files.

Every reader takes the folder of the data set and returns the splits it finds there.
"""

from __future__ import annotations

import importlib
import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sccan.classification.data.formats.pickles import FAULTS, as_text, read_pickle
from sccan.classification.data.splits.pictures import SPLITS, ArrayPictures, EncodedPictures, Pictures
from sccan.errors import InputError, needs
from sccan.files.reading import is_there, regular_file
from sccan.files.sizes import check_unpacked, check_zip
from sccan.files.structured import read_json, shown

Splits = dict[str, Pictures]


def read_torchmeta(root: Path) -> Splits:
    """``{train,val,test}_data.hdf5`` with an array of pictures per WordNet id in the group ``datasets``.

    Raises InputError: h5py is not installed, or a file is no such file, or names other classes than its list
        ``{split}_labels.json``.
    """
    splits: Splits = {}
    for split in SPLITS:
        path = root / f"{split}_data.hdf5"
        if is_there(path, "data of a split"):
            names, arrays = _hdf5_arrays(path)
            _check_names(names, root / f"{split}_labels.json")
            labels = np.repeat(np.arange(len(names)), [len(array) for array in arrays])
            splits[split] = ArrayPictures(np.concatenate(arrays), labels, names, title=str(path))
    return splits


def read_libfewshot(root: Path) -> Splits:
    """``{train,val,test}.pth``: a list of pictures, a list of labels, and the label of every class name.

    The toolkit writes a plain pickle of Pillow's pictures, which is read as data only; a file of torch's own form is
    opened with weights alone, so its pictures have to be tensors.

    Raises InputError: other content, or code in it.
    """
    splits: Splits = {}
    for split in SPLITS:
        path = root / f"{split}.pth"
        if is_there(path, "data of a split"):
            splits[split] = _from_memory(_memory_file(path), path)
    return splits


def _hdf5_arrays(path: Path) -> tuple[list[str], list[np.ndarray]]:
    with needs(str(path), "hdf5"):
        h5py: Any = importlib.import_module("h5py")
    regular_file(path, "hdf5 file")
    try:
        with h5py.File(path, "r") as stored:
            group = stored.get("datasets", getlink=True)
            if not isinstance(group, h5py.HardLink) or not isinstance(stored["datasets"], h5py.Group):
                raise InputError(f"{path} holds {shown(', '.join(stored) or 'nothing')}; expected the group datasets")
            names = sorted(stored["datasets"])
            arrays = [_hdf5_array(h5py, stored["datasets"], name, path) for name in names]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as hdf5 ({reason}); it may be cut short, fetch it again") from error
    for name, array in zip(names, arrays, strict=True):
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != arrays[0].shape[1:]:
            found = f"{array.dtype} {list(array.shape)}"
            raise InputError(f"{path}: pictures of {name} are {found}, expected uint8 [n, height, width, 3]")
    if not names:
        raise InputError(f"{path} holds no class; fetch it again")
    return names, arrays


def _hdf5_array(h5py: Any, group: Any, name: str, path: Path) -> np.ndarray:
    """One class's pictures; nothing is read from another file, and nothing that is larger than its file tells.

    Raises InputError: it is a link, lies in another file, or stands for far more than is stored.
    """
    place = f"{path}: datasets/{name}"
    data = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{place} is a link or a group; expected an array of pictures in this file")
    if data.external or data.is_virtual:
        raise InputError(f"{place} takes its content from another file, which is not read; copy it into this one")
    check_unpacked(place, math.prod(data.shape or (0,)) * data.dtype.itemsize, data.id.get_storage_size(), "ARRAY_GB")
    if data.dtype != np.uint8 or data.ndim != 4:
        raise InputError(f"{place}: {data.dtype} {list(data.shape or ())}, expected uint8 [n, height, width, 3]")
    return data[()]


def _check_names(names: Sequence[str], listed: Path) -> None:
    if not listed.is_file():
        return
    wanted: list[str] = read_json(listed, list[str], "list of classes")
    if sorted(wanted) != sorted(names):
        raise InputError(f"{listed} names other classes than the hdf5 file beside it; fetch both again")


def _memory_file(path: Path) -> Any:
    regular_file(path, "memory file")
    try:
        if not zipfile.is_zipfile(path):
            return read_pickle(path)
        check_zip(path, "memory file", "PICKLE_GB")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (*FAULTS, RuntimeError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path} is no file of tensors and plain containers alone ({reason} ...); nothing else is opened"
        ) from error


def _from_memory(content: Any, path: Path) -> Pictures:
    if not isinstance(content, list | tuple) or len(content) != 3 or not isinstance(content[2], dict):
        raise InputError(f"{path} does not hold a list of pictures, a list of labels and the labels of class names")
    images, labels = ([_array(item) for item in part] if isinstance(part, list) else part for part in content[:2])
    names = {whole_label(label, path): as_text(name) for name, label in content[2].items()}
    numbers = [whole_label(label, path) for label in labels] if isinstance(labels, list | np.ndarray) else []
    if not isinstance(images, list | np.ndarray) or len(images) != len(numbers):
        raise InputError(f"{path} has {len(numbers)} labels for its pictures; expected one for each")
    if len(names) < len(content[2]):
        raise InputError(f"{path}: two class names have the same label; fetch it again")
    if not set(numbers) <= set(names):
        raise InputError(f"{path}: label {min(set(numbers) - set(names))} has no class name; fetch it again")
    used = sorted(set(numbers))
    dense, classes = np.searchsorted(used, numbers), [names[number] for number in used]
    unfit = next((one for one in images if not _is_picture(one)), None)
    if unfit is not None:
        raise InputError(f"{path} holds {type(unfit).__name__} where a picture of 8-bit RGB is expected")
    if len({one.shape for one in images}) == 1:
        return ArrayPictures(np.stack(list(images)), dense, classes, title=str(path))
    encoded = [np.frombuffer(_png(one), np.uint8) for one in images]
    offsets = np.cumsum([0, *(len(one) for one in encoded)])
    return EncodedPictures(np.concatenate([*encoded, np.zeros(0, np.uint8)]), offsets, dense, classes, title=str(path))


def whole_label(label: Any, path: Path) -> int:
    """A label as a number. Raises InputError: it is none, or not whole."""
    if isinstance(label, np.ndarray) and label.size == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer) or not 0 <= label < 1 << 31:
        raise InputError(f"{path}: a label is {shown(label)}; expected whole numbers from 0")
    return int(label)


def _array(item: Any) -> Any:
    return item.numpy() if isinstance(item, Tensor) else item


def _is_picture(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim == 3 and item.shape[2] == 3


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png")
    return stream.getvalue()
