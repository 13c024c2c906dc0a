"""Annotations that lie in the folder already, in any format that is read, taken as drawn by a person."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.kinds import JOURNAL, LABEL_FOLDERS, LABELME_FOLDERS
from sccan.files.tally import Tally
from sccan.page.places import Gallery, key_of
from sccan.page.store import Store
from sccan.segmentation.data.annotations.examples import Annotated, read_examples

UNTOLD = ("left out, as they have no annotation",)
"""What is nothing to say here: such pictures are the ones to work on."""


def take_annotations(store: Store) -> list[str]:
    """Annotated pictures that nobody has marked on the page become accepted ones.

    Files that were read at an earlier start are not read again: what is drawn on the page counts from then on.

    Returns:
        Lines for the user: what was taken, and what could not be read.
    """
    gallery = store.gallery
    if (fingerprint := _fingerprint(gallery)) == store.imported:
        return []
    notes, taken = [], 0
    for folder, name in _folders(gallery.root):
        try:
            examples = read_examples(folder, name)
        except InputError as error:
            notes.append(f"annotations of {folder.name} were not taken: {error}")
            continue
        taken += sum(_take(store, examples.names, one) for one in examples.annotated)
        notes += Tally(note for note in examples.told if note[0] not in UNTOLD).lines() if examples.annotated else []
    store.set_imported(fingerprint)
    if taken:
        notes.append(f"{taken} pictures were annotated already; their masks count as drawn by you")
    return notes


def _take(store: Store, names: tuple[str, ...], one: Annotated) -> bool:
    """Whether the picture had no mark of its own."""
    root = store.gallery.root
    if not real(one.image).is_relative_to(root):
        return False
    key = key_of(real(one.image).relative_to(root).as_posix())
    if key not in store.gallery.photos or store.mark(key).version:
        return False
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for value in set(np.unique(one.label).tolist()) - {0, IGNORE}:
        table[value] = store.classes.number_of(names[value - 1])
    label = table[one.label]
    store.put(key, label, "accepted" if label.any() else "absent", base=0, source="annotations")
    return True


def _folders(root: Path) -> list[tuple[Path, str]]:
    """The folder itself, and its sub-folders, each of which may show a class of its name.

    Where masks are results of ``sccan segment``, nobody drew them.
    """
    own = {*LABEL_FOLDERS, *LABELME_FOLDERS}
    inside = [one for one in sorted(root.iterdir()) if one.is_dir() and not one.is_symlink()]
    inside = [one for one in inside if one.name[0] != "." and one.name not in own and not (one / JOURNAL).is_file()]
    found = [(root, ""), *((one, one.name) for one in inside)]
    return [(one, name) for one, name in found if not any((one / own / JOURNAL).is_file() for own in LABEL_FOLDERS)]


def _fingerprint(gallery: Gallery) -> str:
    """Changes when a file that is no picture comes, goes or is written anew: it may hold annotations."""
    photos = {photo.path for photo in gallery.photos.values()}
    found = hashlib.sha256()
    for file in sorted(gallery.root.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(gallery.root).parts)
        if file not in photos and not hidden and file.is_file():
            status = file.stat()
            found.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return found.hexdigest()[:16]
