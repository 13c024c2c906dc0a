"""Which files of a folder the page works on, and that nothing it touches lies elsewhere.

A picture is known by a key made from its name, so that an address still means the same picture after a restart.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.kinds import IMAGE_FOLDERS, JOURNAL, LABEL_FOLDERS, MASK_ENDINGS, OBJECT_FOLDERS
from sccan.files.tally import Tally
from sccan.files.walking import TO_SAVE_ANEW
from sccan.pictures.photos import Photo, find_photos
from sccan.segmentation.data.annotations.places import BRUSH

OURS = ".sccan"
"""Folder within the pictures' folder in which everything that the page keeps lies."""
KEY_LENGTH = 12


@dataclass(frozen=True)
class Gallery:
    """The pictures of a folder.

    Attributes:
        root: the folder, without links.
        photos: key -> picture, in the order of their names.
        masks: files beside pictures, or in a folder of masks, that are annotations and no pictures.
        notes: lines for the user: what was left out.
    """

    root: Path
    photos: Mapping[str, Photo]
    masks: tuple[Path, ...]
    notes: tuple[str, ...]

    def photo(self, key: str) -> Photo:
        """Raises InputError: there is no such picture."""
        if key not in self.photos:
            raise InputError("there is no such picture in this folder; load the page again")
        return self.photos[key]

    def read_path(self, key: str) -> Path:
        """The file of a picture, looked at again: it may have been replaced by a link meanwhile.

        Raises InputError: it is gone, or leads out of the folder.
        """
        photo = self.photo(key)
        assert photo.path is not None
        if not photo.path.is_file():
            raise InputError(f"{photo.name} is gone: it was moved or deleted since the start")
        return require_inside(self.root, photo.path)


def key_of(name: str) -> str:
    """The key of a picture's name."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:KEY_LENGTH]


def require_inside(root: Path, path: Path) -> Path:
    """`path` itself. Raises InputError: with all links followed, it leads out of `root`."""
    if not real(path).is_relative_to(root):
        raise InputError(f"{path.name} leads out of the folder {root.name}; only what lies inside is used")
    return path


def find_gallery(folder: Path) -> Gallery:
    """The pictures of a folder and of its sub-folders.

    Left out, and told: results of ``sccan segment``, links that lead out of the folder, kinds that are not read.

    Raises InputError: there is no such folder, it holds no picture, or it is itself a folder of results.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give the folder that holds your pictures")
    root = real(folder)
    if (root / JOURNAL).is_file():
        raise InputError(f"{folder} holds results of sccan segment; give the folder of the pictures they were made for")
    results = sorted(path.parent for path in root.rglob(JOURNAL))
    notes = [f"{_below(root, one)} holds results of sccan segment, which nobody drew: left out" for one in results]
    passed = Tally()
    found = find_photos(root, leave_out=results, passed=passed)
    paths = [photo.path for photo in found if photo.path is not None]
    outside = {path for path in paths if not real(path).is_relative_to(root)}
    masks = _masks(paths)
    kept = [photo for photo in found if photo.path and photo.path not in outside and photo.path not in masks]
    if outside:
        notes.append(f"{len(outside)} links lead out of the folder and were left out: {_some(root, sorted(outside))}")
    notes += Tally(note for note in passed if note[0].endswith(TO_SAVE_ANEW)).lines()
    if not kept:
        raise InputError(f"{folder} holds no picture of its own; put the pictures themselves there")
    return Gallery(root, {key_of(photo.name): photo for photo in kept}, tuple(sorted(masks)), tuple(notes))


def _masks(paths: Sequence[Path]) -> set[Path]:
    """PNGs that are named like a picture beside them, or, from a folder of masks, like one in its neighbourhood.

    So are brush masks of Label Studio.
    """
    stems: dict[Path, dict[str, list[Path]]] = {}
    for path in paths:
        stems.setdefault(path.parent, {}).setdefault(path.stem, []).append(path)

    def is_mask(path: Path) -> bool:
        if BRUSH.fullmatch(path.name):
            return True
        places = [path.parent]
        if path.parent.name in (*LABEL_FOLDERS, *OBJECT_FOLDERS):
            above = path.parent.parent
            places = [above, *(above / name for name in IMAGE_FOLDERS)]
        names = [path.stem.removesuffix(ending) for ending in MASK_ENDINGS if path.stem.endswith(ending)]
        return any(other != path for place in places for name in names for other in stems.get(place, {}).get(name, []))

    return {path for path in paths if path.suffix.lower() == ".png" and is_mask(path)}


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _some(root: Path, paths: Sequence[Path]) -> str:
    return ", ".join(_below(root, path) for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
