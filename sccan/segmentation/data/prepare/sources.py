"""Where the material of a data set comes from: what lies in the data root, a given path, or the official archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sccan.errors import InputError
from sccan.files.archives import is_archive
from sccan.files.download import Archive, fetch
from sccan.files.writing import take_time, written_beside

DOWNLOADS = "downloads"
"""Folder below the data root where archives are looked for and downloaded to."""


def locate(
    root: Path,
    given: Path | None,
    archive: Archive,
    unpacked: Callable[[Path], Path | None],
    *,
    download: bool,
    what: str,
    option: str,
) -> Path:
    """An unpacked folder or an archive file to take the material from.

    Looked for in this order: the path the user gave; the archive in the data root or its ``downloads`` (before what
    is unpacked, which a killed run may have left incomplete); unpacked in the data root; the official address, if
    downloading is allowed.

    Args:
        root: data root.
        given: what the user named, a folder or an archive; None: nothing.
        archive: the official archive.
        unpacked: finds the material's own folder within a folder, or returns None.
        download: whether to fetch the archive.
        what: the material, for messages.
        option: the command's option that names it, for messages.

    Raises InputError: the given path is unfit, or nothing was found.
    """
    if given is not None:
        if given.is_file() and is_archive(given):
            return given
        found = unpacked(given) if given.is_dir() else None
        if found is None:
            state = "is neither an archive nor a folder with" if given.exists() else "does not exist; expected"
            raise InputError(f"{option} {given} {state} {what}")
        return found
    for place in (root / archive.name, root / DOWNLOADS / archive.name):
        if place.is_file():
            return place
    found = unpacked(root)
    if found is not None:
        return found
    if download:
        return fetch(archive, root / DOWNLOADS)
    raise InputError(
        f"{root} holds neither {what} nor {archive.name}; give its place with {option}, or add --download to fetch it "
        f"from {archive.urls[0]}"
    )


def take_files(files: Iterable[Path], folder: Path) -> int:
    """Brings files into a folder under their own names: as second names of the same data where the disk allows it.

    Files that are there stay. Returns how many are there afterwards.

    Raises InputError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for file in files:
        target = folder / file.name
        count += 1
        if target.exists():
            continue
        try:
            os.link(file, target)
        except OSError:  # another disk, or a file system without hard links
            with written_beside(target, durable=False) as beside:
                shutil.copyfile(file, beside)
                take_time(beside, file)
    return count
