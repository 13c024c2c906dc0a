"""The safe layout that every format is converted to once: arrays of bytes to be mapped into memory, and a JSON index.

    dataset.json            what it is: splits, classes, numbers of pictures, sizes of the files, where it came from,
                            smallest and largest height and width of the original pictures, resize and its filter
    SPLIT.images.npy        uint8 [n, h, w, 3], where all pictures are of one size; or
    SPLIT.bytes.npy         the encoded pictures one after another, and
    SPLIT.offsets.npy       int64 [n + 1], where each begins
    SPLIT.labels.npy        int64 [n], from 0
    SPLIT.names.json        names of the pictures, where they have names

``dataset.json`` is written last, so a folder that holds it is complete.
Letters: n pictures, h w picture size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sccan.classification.data.splits.pictures import SPLITS, ArrayPictures, EncodedPictures, Pictures, decode_picture
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.errors import InputError
from sccan.files.arrays import array_written, read_array
from sccan.files.formats import PreparedPictures
from sccan.files.made import Made, remove_unused
from sccan.files.structured import as_kind, read_json
from sccan.files.writing import write_json, written_beside

FORMAT = "sccan-pictures-1"
INDEX = "dataset.json"
PARTS = ("images.npy", "bytes.npy", "offsets.npy", "labels.npy", "names.json")


def write_prepared(
    folder: Path, splits: Mapping[str, Pictures], facts: Mapping[str, Any], *, resize: FixedTransform | None = None
) -> None:
    """Write splits to a folder; every picture is decoded on the way, so a broken one is found now.

    Args:
        facts: what else the index should say: name, class list, source, remarks.
        resize: bring every picture to this size; by default arrays stay arrays, and files stay as they are encoded.

    Raises InputError: a picture that cannot be decoded, a folder that cannot be written, or one that holds files of
        these names that are not ours; nothing is left behind.
    """
    is_new = not folder.exists()
    made = Made(folder, advice="choose another --to, or move it away")
    made.claim_all([INDEX, *(f"{split}.{part}" for split in splits for part in PARTS)])
    written: list[Path] = []
    try:
        described = {}
        for split, pictures in splits.items():
            sizes: set[tuple[int, ...]] = set()
            files = _write_split(folder, split, pictures, resize, sizes)
            written += files
            described[split] = {
                "pictures": len(pictures),
                "classes": list(pictures.class_names),
                "named": pictures.named,
                "original_sizes": [min(sizes, key=math.prod), max(sizes, key=math.prod)],
                "files": {path.name: path.stat().st_size for path in files},
            }
        preprocessing = None
        if resize is not None:
            preprocessing = {"size": list(resize.size), "filter": resize.filter, "square": resize.square}
        write_json(folder / INDEX, {"format": FORMAT, **facts, "resized": preprocessing, "splits": described})
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if is_new:
            remove_unused(folder)
        raise


def is_prepared(folder: Path) -> bool:
    """Whether a folder is in the safe layout."""
    return (folder / INDEX).is_file()


def read_index(folder: Path) -> dict[str, Any]:
    """What ``dataset.json`` says.

    Raises InputError: it is no index of this layout, or a file it names is missing or of another size.
    """
    path = folder / INDEX
    index: dict[str, Any] = read_json(path, dict[str, Any], "index")
    if index.get("format") != FORMAT:
        raise InputError(f"{path} is no index of the layout {FORMAT}; prepare the data again")
    described: PreparedPictures = as_kind(index, PreparedPictures, str(path))
    for split in described.splits.values():
        for name, size in split.files.items():
            found = (folder / name).stat().st_size if (folder / name).is_file() else None
            if found != size:
                what = "is missing" if found is None else f"has {found} bytes instead of {size}"
                raise InputError(f"{folder / name} {what}; copy it again or prepare the data again")
    return index


def read_prepared(folder: Path) -> dict[str, Pictures]:
    """The splits of a folder in the safe layout, mapped into memory and not read.

    Raises InputError: see `read_index`.
    """
    index = read_index(folder)
    return {split: _open(folder, split, index["splits"][split]) for split in SPLITS if split in index["splits"]}


def _open(folder: Path, split: str, described: Mapping[str, Any]) -> Pictures:
    labels, title = read_array(folder / f"{split}.labels.npy", dtype="int64", ndim=1), f"{folder} ({split})"
    classes, named = described["classes"], described["named"]
    if f"{split}.images.npy" in described["files"]:
        images = read_array(folder / f"{split}.images.npy", mapped=True, dtype="uint8", ndim=4)
        return ArrayPictures(images, labels, classes, title=title, named=named)
    names: list[str] = read_json(folder / f"{split}.names.json", list[str], "names of pictures")
    content = read_array(folder / f"{split}.bytes.npy", mapped=True, dtype="uint8", ndim=1)
    offsets = read_array(folder / f"{split}.offsets.npy", dtype="int64", ndim=1)
    return EncodedPictures(content, offsets, labels, classes, title=title, names=names, named=named)


def _write_split(
    folder: Path, split: str, pictures: Pictures, resize: FixedTransform | None, sizes: set[tuple[int, ...]]
) -> list[Path]:
    """The files of a split; heights and widths of its pictures are added to `sizes`."""
    if resize is not None or isinstance(pictures, ArrayPictures):
        files = _write_array(folder, split, pictures, resize, sizes)
    else:
        files = _write_encoded(folder, split, pictures, sizes)
    files.append(_save(folder / f"{split}.labels.npy", pictures.labels))
    if not isinstance(pictures, ArrayPictures):
        files.append(write_json(folder / f"{split}.names.json", list(pictures.names)))
    return files


def _write_array(
    folder: Path, split: str, pictures: Pictures, resize: FixedTransform | None, sizes: set[tuple[int, ...]]
) -> list[Path]:
    path = folder / f"{split}.images.npy"
    size = resize.size if resize is not None else pictures.read(0).shape[:2]
    with array_written(path, "uint8", (len(pictures), *size, 3)) as array:
        for number in tqdm(range(len(pictures)), desc=split, unit=" pictures", disable=None):
            picture = pictures.read(number)
            sizes.add(picture.shape[:2])
            array.add(picture if resize is None else resize.pixels(picture))
    return [path]


def _write_encoded(folder: Path, split: str, pictures: Pictures, sizes: set[tuple[int, ...]]) -> list[Path]:
    path = folder / f"{split}.bytes.npy"
    lengths = []
    for number in tqdm(range(len(pictures)), desc=f"{split}: reading", unit=" pictures", disable=None):
        data = _encoded(pictures, number)
        sizes.add(decode_picture(data, f"picture {pictures.names[number]} of {pictures.title}").shape[:2])
        lengths.append(len(data))
    offsets = np.cumsum([0, *lengths])
    with array_written(path, "uint8", (int(offsets[-1]),)) as array:
        for number in tqdm(range(len(pictures)), desc=f"{split}: writing", unit=" pictures", disable=None):
            array.add(np.frombuffer(_encoded(pictures, number), np.uint8))
    return [path, _save(folder / f"{split}.offsets.npy", offsets)]


def _encoded(pictures: Pictures, number: int) -> bytes:
    data = pictures.encoded(number)
    if data is None:
        raise ValueError(f"{pictures.title} keeps no encoded pictures")
    return data


def _save(path: Path, array: np.ndarray) -> Path:
    with written_beside(path) as beside, beside.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return path
