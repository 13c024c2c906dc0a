"""PASCAL VOC 2012 and SBD, from the official archives or what was unpacked from them, to one verified data set.

    JPEGImages/NAME.jpg              from VOC; pictures that VOC lacks from SBD
    SegmentationClassAug/NAME.png    raw-index grey: class numbers, 0 background, 255 the rim
    lists/*.txt                      the source lists under their published names

Of several labels of one picture the first of these counts: an already converted ``SegmentationClassAug``, VOC's own
``SegmentationClass`` (which has the rim), SBD's ``.mat`` file (which has none).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError, needs
from sccan.files.alone import alone_in
from sccan.files.archives import unpack
from sccan.files.download import Archive
from sccan.files.inside import real
from sccan.files.parallel import in_parallel
from sccan.files.reading import read_bytes
from sccan.files.writing import write_text_atomically
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.labels.raw_png import is_finished, write_label
from sccan.segmentation.data.prepare.lists import pair_lines, read_names
from sccan.segmentation.data.prepare.official import SBD, VOC_2012
from sccan.segmentation.data.prepare.own_lists import claim_lists
from sccan.segmentation.data.prepare.sources import locate, take_files
from sccan.segmentation.data.sets import record
from sccan.segmentation.data.sets.datasets import DATASETS, VOC_CLASSES
from sccan.segmentation.data.sets.lists import IMAGE_FOLDER, LABEL_FOLDER, Pairs

VOC_LABELS = "SegmentationClass"
VOC_SPLITS = "ImageSets/Segmentation"
SBD_FOLDER = "SBD"
"""Where the parts of SBD that are needed lie below the data root once unpacked."""
TRAIN_LIST = "voc_sbd_merge_noduplicate.txt"
VAL_LIST = "val.txt"
LISTS = ("sbd_data.txt", "voc_original_train.txt", "voc_sbd_merge.txt", TRAIN_LIST, VAL_LIST)
VARIANT = "voc+sbd"
"""Label variant of results: made here from VOC's PNGs and SBD's .mat files."""
CONVERTED = "converted"
"""Label variant of results: taken over from somebody's SegmentationClassAug."""
VOC_MEMBER = re.compile(
    r"(?:.*/)?((?:JPEGImages/[^/]+\.jpg)|(?:SegmentationClass/[^/]+\.png)|(?:ImageSets/Segmentation/\w+\.txt))"
)
SBD_MEMBER = re.compile(
    r"(?:.*/)?(?:(?P<mat>cls/[^/.][^/]*\.mat)|(?P<split>(?:train|val)\.txt)|img/(?P<image>[^/.][^/]*\.jpg)"
    r"|SegmentationClassAug/(?P<png>[^/.][^/]*\.png))"
)
UNREADABLE_MAT = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, NotImplementedError, MemoryError),
    *(zlib.error, struct.error),
)
MAT_HEADER = 128
"""Bytes before the first part of a .mat file."""
MAT_COMPRESSED = 15
"""Kind of a compressed part."""
LARGEST_PART = 64 << 20
"""Bytes that a compressed part of a label may stand for."""


@dataclass(frozen=True)
class Sources:
    """What the user names; everything else is looked for in the data root.

    Attributes:
        voc: VOC's archive or unpacked folder.
        sbd: SBD's archive, its unpacked folder, or an already converted SegmentationClassAug (folder or zip).
        sbd_list: the published selection of SBD pictures; None: all that are not in VOC's val list.
        download: whether archives that are not there are fetched.
    """

    voc: Path | None = None
    sbd: Path | None = None
    sbd_list: Path | None = None
    download: bool = False


@dataclass(frozen=True)
class Prepared:
    """What a preparation made.

    Attributes:
        labels: label images from each origin.
        lists: pictures in each source list.
        missing: names of the given SBD list whose image or label is not there; they are left out of the lists.
    """

    labels: dict[str, int]
    lists: dict[str, int]
    missing: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Conversion:
    """One label image to make: from a palette or grey PNG, or from a .mat file."""

    source: Path
    target: Path


def prepare_pascal(
    root: Path, sources: Sources, *, workers: int, voc_archive: Archive = VOC_2012, sbd_archive: Archive = SBD
) -> Prepared:
    """Makes or completes the data set below `root`; what an earlier run finished is kept.

    Raises InputError: the material is missing, damaged or contradictory, or the disk is full.
    """
    with alone_in(root, what="another process prepares"):
        claim_lists(root, [f"lists/{name}" for name in LISTS], DATASETS["pascal"].folds)
        _take_voc(root, sources, voc_archive)
        sbd = _take_sbd(root, sources, sbd_archive)
        _begin(root, sbd)
        origins = _origins(root, sbd)
        counts = {name: len(files) for name, files in origins.items()}
        _convert(root, origins, workers)
        lists, missing = _lists(root, sbd, sources.sbd_list)
        for name, pairs in lists.items():
            write_text_atomically(root / "lists" / name, pair_lines(pairs))
        record.finish(root, LABEL_FOLDER)
    return Prepared(counts, {name: len(pairs) for name, pairs in lists.items()}, missing)


def read_mat_label(path: Path) -> np.ndarray:
    """Class numbers of an SBD ``cls/NAME.mat``, uint8 [H, W]: field Segmentation of the structure GTcls.

    Raises InputError: the file is damaged or has no such field.
    """
    with needs("a label of SBD", "scientific"):
        from scipy.io import loadmat  # takes a quarter of a second
        from scipy.io.matlab import MatReadError

    try:
        content = read_bytes(path, "label")
        _check_compressed(content)
        values = np.asarray(loadmat(io.BytesIO(content), variable_names=["GTcls"])["GTcls"]["Segmentation"][0, 0])
    except (*UNREADABLE_MAT, MatReadError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is no label of SBD (GTcls.Segmentation): {reason}; unpack the archive again"
        ) from error
    if values.ndim != 2 or values.dtype != np.uint8:
        raise InputError(f"{path} holds a label {values.dtype} {values.shape}; expected uint8 [height, width]")
    return values


def _check_compressed(content: bytes) -> None:
    """Compares the checksums of compressed parts, which scipy does not: it may crash on altered bytes.

    Raises zlib.error, struct.error: a part is altered or cut off.
    """
    at = MAT_HEADER
    while at < len(content):
        kind, size = struct.unpack_from("<II", content, at)
        if kind != MAT_COMPRESSED:
            return
        part = zlib.decompressobj()
        part.decompress(content[at + 8 : at + 8 + size], LARGEST_PART)
        if not part.eof:
            raise zlib.error(f"a part of more than {LARGEST_PART >> 20} MB, or one that is cut off")
        at += 8 + size


def convert_label(task: Conversion) -> None:
    """Writes one label image; a label that is there and complete stays.

    Raises InputError: the source is unreadable or holds a value that is no class of VOC.
    """
    if is_finished(task.target):
        return
    label = read_mat_label(task.source) if task.source.suffix == ".mat" else read_label(task.source)
    wrong = (label > len(VOC_CLASSES)) & (label != IGNORE)
    if wrong.any():
        raise InputError(
            f"label {task.source} holds the value {label[wrong][0]}; expected 0, the classes 1..{len(VOC_CLASSES)} "
            "and 255"
        )
    write_label(task.target, label, source=task.source)


def _take_voc(root: Path, sources: Sources, archive: Archive) -> None:
    place = locate(
        root, sources.voc, archive, _voc_folder, download=sources.download, what="VOC 2012 (JPEGImages, "
        "SegmentationClass, ImageSets)", option="--voc",
    )  # fmt: skip
    if place.is_file():
        unpack(place, root, lambda name: match[1] if (match := VOC_MEMBER.fullmatch(name)) else None)
        if _voc_folder(root) is None:
            raise InputError(f"{place} does not hold VOC 2012 (JPEGImages, SegmentationClass, ImageSets/Segmentation)")
    elif real(place) != real(root):
        for folder, pattern in ((IMAGE_FOLDER, "*.jpg"), (VOC_LABELS, "*.png"), (VOC_SPLITS, "*.txt")):
            take_files(sorted((place / folder).glob(pattern)), root / folder)


def _take_sbd(root: Path, sources: Sources, archive: Archive) -> Path:
    """The folder that holds SBD's ``cls`` or converted label images."""
    place = locate(
        root, sources.sbd, archive, _sbd_folder, download=sources.download, what="SBD (cls/*.mat, or a converted "
        "SegmentationClassAug)", option="--sbd",
    )  # fmt: skip
    if not place.is_file():
        for images in (place / "img", place.parent / "img"):
            lacking = [file for file in images.glob("*.jpg") if not (root / IMAGE_FOLDER / file.name).exists()]
            take_files(sorted(lacking), root / IMAGE_FOLDER)
        return place
    have = {file.name for file in (root / IMAGE_FOLDER).iterdir()}
    unpack(place, root, lambda name: _sbd_target(name, have))
    found = _sbd_folder(root / SBD_FOLDER)
    if found is None:
        raise InputError(f"{place} holds neither SBD's cls/*.mat nor SegmentationClassAug/*.png; check --sbd")
    return found


def _sbd_target(member: str, have: set[str]) -> str | None:
    match = SBD_MEMBER.fullmatch(member)
    if match is None:
        return None
    if match["image"]:
        return None if match["image"] in have else f"{IMAGE_FOLDER}/{match['image']}"
    if match["png"]:
        return f"{SBD_FOLDER}/{LABEL_FOLDER}/{match['png']}"
    return f"{SBD_FOLDER}/{match['mat'] or match['split']}"


def _voc_folder(folder: Path) -> Path | None:
    """The VOC 2012 folder within an unpacked archive."""
    for place in (folder, folder / "VOC2012", folder / "VOCdevkit" / "VOC2012", folder / "VOCdevkit2012" / "VOC2012"):
        lists = (place / VOC_SPLITS / f"{split}.txt" for split in ("train", "val"))
        if (place / IMAGE_FOLDER).is_dir() and (place / VOC_LABELS).is_dir() and all(map(Path.is_file, lists)):
            return place
    return None


def _sbd_folder(folder: Path) -> Path | None:
    """The folder with SBD's ``cls`` within an unpacked archive, or one of converted label images."""
    for place in (folder, folder / SBD_FOLDER, folder / "dataset", folder / "benchmark_RELEASE" / "dataset"):
        if any((place / "cls").glob("*.mat")):
            return place
    for place in (folder / LABEL_FOLDER, folder / SBD_FOLDER / LABEL_FOLDER, folder):
        if any(place.glob("*.png")):
            return place
    return None


def _begin(root: Path, sbd: Path) -> None:
    earlier = record.read_records(root).get(LABEL_FOLDER)
    if sbd != root / LABEL_FOLDER or earlier is None:
        variant = VARIANT if (sbd / "cls").is_dir() else CONVERTED
        record.begin(root, LABEL_FOLDER, variant, "VOC 2012 and SBD")
    elif not earlier.complete and earlier.variant == VARIANT:
        raise InputError(f"the labels in {sbd} are unfinished; give the place of SBD with --sbd again to continue")


def _origins(root: Path, sbd: Path) -> dict[str, dict[str, Path]]:
    """Origin -> picture name -> label to convert; every name once."""
    mats = {file.stem: file for file in sorted((sbd / "cls").glob("*.mat"))}
    converted = {} if mats else {file.stem: file for file in sorted(sbd.glob("*.png"))}
    voc = {file.stem: file for file in sorted((root / VOC_LABELS).glob("*.png"))}
    return {
        "converted": converted,
        "VOC": {name: file for name, file in voc.items() if name not in converted},
        "SBD": {name: file for name, file in mats.items() if name not in voc},
    }


def _convert(root: Path, origins: dict[str, dict[str, Path]], workers: int) -> None:
    folder = root / LABEL_FOLDER
    sources = [file for files in origins.values() for file in files.values()]
    tasks = [Conversion(file, folder / f"{file.stem}.png") for file in sources]
    left = [task for task in tasks if not is_finished(task.target)]
    results = in_parallel(
        convert_label, left, total=len(left), done=len(tasks) - len(left), workers=workers, title="label images"
    )
    for _ in results:
        pass


def _lists(root: Path, sbd: Path, sbd_list: Path | None) -> tuple[dict[str, Pairs], tuple[str, ...]]:
    """The source lists under their published names, and what of the given SBD list is not there."""
    train, val = (read_names(root / VOC_SPLITS / f"{split}.txt") for split in ("train", "val"))
    images = {file.stem for file in (root / IMAGE_FOLDER).glob("*.jpg")}
    labels = {file.stem for file in (root / LABEL_FOLDER).glob("*.png")}
    for split, names in (("train", train), ("val", val)):
        absent = [name for name in names if name not in images or name not in labels]
        if absent:
            raise InputError(
                f"VOC's {split} list names {absent[0]}, of which {root} has no image or label ({len(absent)} of "
                f"{len(names)} pictures are missing); unpack the whole archive"
            )
    wanted = _sbd_names(sbd, sbd_list, labels, val)
    missing = tuple(name for name in wanted if name not in images or name not in labels)
    sbd_data = _pairs(name for name in wanted if name in images and name in labels)
    merged = sbd_data + _pairs(train)
    content = [sbd_data, _pairs(train), merged, list(dict.fromkeys(merged)), _pairs(val)]
    return dict(zip(LISTS, content, strict=True)), missing


def _sbd_names(sbd: Path, sbd_list: Path | None, labels: set[str], val: Sequence[str]) -> list[str]:
    """The SBD pictures to list: the given selection, or all of SBD outside VOC's val list."""
    tested = set(val)
    if sbd_list is not None:
        names = list(dict.fromkeys(read_names(sbd_list)))
        wrong = next((name for name in names if name in tested), None)
        if wrong is not None:
            raise InputError(f"{sbd_list} names {wrong}, which is in VOC's val list; training must not see it")
        return names
    splits = [sbd / f"{split}.txt" for split in ("train", "val")]
    if all(map(Path.is_file, splits)):
        names = [name for split in splits for name in read_names(split)]
    else:
        names = sorted(labels)
    return [name for name in dict.fromkeys(names) if name not in tested]


def _pairs(names: Iterable[str]) -> Pairs:
    return [(f"{IMAGE_FOLDER}/{name}.jpg", f"{LABEL_FOLDER}/{name}.png") for name in names]
