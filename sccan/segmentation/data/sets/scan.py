"""One pass over the label images of a list makes the index: how many pixels of every class each picture holds.

A histogram per label serves all folds, rules and thresholds; it is cached with a fingerprint of the files.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sccan.episodes.index import IGNORE, ClassIndex
from sccan.errors import InputError
from sccan.files.arrays import read_arrays
from sccan.files.cache import cache_folder
from sccan.files.inside import real
from sccan.files.parallel import end_with_parent
from sccan.files.plain import plain
from sccan.files.writing import written_beside
from sccan.pictures.decoding import check_complete, image_size, read_label, read_whole
from sccan.segmentation.data.sets.lists import Pairs

FORMAT = 1
MANY = 500
"""From so many pictures on, starting processes pays."""

logger = logging.getLogger(__name__)


def build_index(
    root: str | Path,
    pairs: Pairs,
    class_names: Sequence[str],
    *,
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
    strict: bool = False,
) -> ClassIndex:
    """The index of the listed pictures, from the cache where its fingerprint fits the files.

    Args:
        root: data root, only ever read.
        pairs: image and label of every picture, relative to `root`.
        class_names: names of the classes 1..n.
        cache: folder for cached indices; None: ``$SCCAN_CACHE`` or ``~/.cache/sccan``. If it cannot be written, the
            index is made every time.
        workers: processes; None: one per core for long lists.
        progress: show a progress bar.
        strict: decode every picture, and take a decoder's warning for an error.

    Raises InputError: the root or a file is missing or unreadable, an image and its label differ in size, or a label
        holds a value that is neither a class nor 255.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"data root {root} does not exist; set DATA.ROOT to the folder that holds the pictures")
    if not pairs:
        raise InputError(f"no pictures are listed for {root}; check the list")
    fingerprint = _fingerprint(root, pairs, len(class_names), strict)
    file = cache_folder(cache) / _cache_name(root, pairs, len(class_names))
    tables = _read_cache(file, fingerprint, len(pairs))
    if tables is None:
        tables = _scan(root, pairs, len(class_names), workers, progress, strict)
        _write_cache(file, fingerprint, tables)
    counts, ignored, sizes = tables
    images, labels = zip(*pairs, strict=True)
    return ClassIndex(root, images, labels, counts, ignored, sizes, tuple(class_names), fingerprint)


Tables = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Counts [n, classes + 1], ignored [n], sizes [n, 2]."""


def _scan(root: Path, pairs: Pairs, n_classes: int, workers: int | None, progress: bool, strict: bool) -> Tables:
    wanted = min(os.cpu_count() or 1, 16) if workers is None else workers
    rows: list[np.ndarray] = []
    bar = tqdm(
        total=len(pairs), desc=f"indexing {plain(root.name)}", unit="pictures", disable=None if progress else True
    )
    with bar:
        for row in _rows(root, pairs, n_classes, wanted if len(pairs) >= MANY else 1, strict):
            rows.append(row)
            bar.update()
    table = np.stack(rows)
    return table[:, 3:], table[:, 2], table[:, :2]


def _rows(root: Path, pairs: Pairs, n_classes: int, workers: int, strict: bool) -> Iterator[np.ndarray]:
    work = partial(count_pixels, root, n_classes=n_classes, strict=strict)
    if workers <= 1:
        yield from map(work, pairs)
        return
    # Forked workers only decode with Pillow and count with NumPy; they touch neither torch nor OpenCV, whose threads
    # do not survive a fork.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            yield from pool.map(work, pairs, chunksize=32)
        except BrokenProcessPool as error:
            raise InputError(
                "a process that counts pixels ended before its time (out of memory?); run the same command again"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def count_pixels(root: Path, pair: tuple[str, str], n_classes: int, *, strict: bool = False) -> np.ndarray:
    """Height, width, pixels of 255, pixels of 0..n_classes, [n_classes + 4].

    Raises InputError: see `build_index`.
    """
    image, label = root / pair[0], root / pair[1]
    if strict:
        height, width = read_whole(image, background="none").pixels.shape[:2]
    else:
        height, width = image_size(image)
        check_complete(image)
    values = read_label(label)
    if values.shape != (height, width):
        found = f"{values.shape[0]}x{values.shape[1]}"
        raise InputError(
            f"label {label} is {found} (height x width), but its image {image} is {height}x{width}; they must be equal"
        )
    histogram = np.bincount(values.reshape(-1), minlength=256)
    if histogram[n_classes + 1 : IGNORE].any():
        value = n_classes + 1 + int(np.flatnonzero(histogram[n_classes + 1 : IGNORE])[0])
        raise InputError(
            f"label {label} holds the value {value}, but the data set has classes 1..{n_classes} "
            "(0 is background, 255 is ignored); check the data set's name or the label image"
        )
    return np.concatenate([[height, width, histogram[IGNORE]], histogram[: n_classes + 1]])


def _fingerprint(root: Path, pairs: Pairs, n_classes: int, strict: bool) -> str:
    """Hash over the list and over size and time of every file."""
    digest = hashlib.sha256(f"{FORMAT} {n_classes} {real(root)}{' strict' * strict}\n".encode())
    for image, label in pairs:
        for name in (image, label):
            try:
                status = os.stat(root / name)
            except OSError as error:
                kind = "image" if name == image else "label"
                raise InputError(
                    f"{kind} {root / name} does not exist; check the folder, or the list that names it"
                ) from error
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _cache_name(root: Path, pairs: Pairs, n_classes: int) -> str:
    """One file per list, so that a stale index is replaced and none are left behind."""
    listed = "\n".join(f"{image} {label}" for image, label in pairs)
    digest = hashlib.sha256(f"{real(root)} {n_classes}\n{listed}".encode())
    return f"{real(root).name}-{digest.hexdigest()[:16]}.npz"


def _read_cache(file: Path, fingerprint: str, n_pictures: int) -> Tables | None:
    """The tables of a cached index, or None where there is none that fits."""
    if not file.is_file():
        return None
    try:
        stored = read_arrays(file)
        tables = stored["counts"], stored["ignored"], stored["sizes"]
        fits = str(stored["fingerprint"]) == fingerprint and all(len(table) == n_pictures for table in tables)
        fits = fits and all(table.dtype.kind in "iu" and table.min(initial=0) >= 0 for table in tables)
    except (InputError, KeyError, TypeError):
        logger.warning("cached index %s is damaged and is made again", file)
        return None
    return tables if fits else None


def _write_cache(file: Path, fingerprint: str, tables: Tables) -> None:
    counts, ignored, sizes = tables
    try:
        with written_beside(file) as beside, beside.open("wb") as stream:
            np.savez_compressed(stream, counts=counts, ignored=ignored, sizes=sizes, fingerprint=fingerprint)
    except InputError as error:
        logger.warning("the index is not cached and will be made again next time: %s", error)
