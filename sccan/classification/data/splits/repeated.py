"""Pictures that stand in several classes or splits: each is one picture, and can have one class alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping

from sccan.classification.data.splits.pictures import FilePictures, Pictures
from sccan.files.tally import Tally

WHAT = "the same picture stands in two classes; remove one"


def repeated_files(splits: Mapping[str, Pictures]) -> Tally:
    """Files that the lists of several splits name; within a split they are refused."""
    files = {split: pictures for split, pictures in splits.items() if isinstance(pictures, FilePictures)}
    return _repeated(files, lambda split, number: files[split].paths[number])


def repeated_pictures(splits: Mapping[str, Pictures]) -> Tally:
    """Pictures of the same content in several classes, wherever they lie; every one is read.

    Raises InputError: one cannot be read.
    """
    return _repeated(splits, lambda split, number: _digest(splits[split], number))


def _repeated(splits: Mapping[str, Pictures], key: Callable[[str, int], Hashable]) -> Tally:
    told = Tally()
    first: dict[Hashable, tuple[str, str, str]] = {}
    for split, pictures in splits.items():
        for number, label in enumerate(pictures.labels.tolist()):
            found = split, pictures.class_names[label], pictures.names[number]
            known = first.setdefault(key(split, number), found)
            if known[:2] != found[:2]:
                told.add(WHAT, f"{known[0]}/{known[2]} = {found[0]}/{found[2]}")
    return told


def _digest(pictures: Pictures, number: int) -> bytes:
    content = pictures.encoded(number)
    return hashlib.blake2b(pictures.read(number).tobytes() if content is None else content, digest_size=16).digest()
