"""The files of a folder and its sub-folders, without what is none of the user's; what is passed over is counted.

Links to files count as files; links to folders are not followed, so that no tree is walked twice or for ever.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.kinds import OWN, PICTURE_SUFFIXES, TO_CONVERT, is_hidden, is_picture
from sccan.files.plain import as_utf8
from sccan.files.tally import Tally

TO_SAVE_ANEW = "(save them as .jpg or .png)"
"""What a line ends with that tells of pictures in forms that are not read."""
DEEPEST = 64
"""Sub-folders below each other; no folder of pictures has more."""


@dataclass(frozen=True, eq=False)
class Walked:
    """What a folder holds.

    Attributes:
        folder: the folder.
        files: visible regular files, sorted.
        folders: visible sub-folders at any depth, sorted.
        passed: what was passed over.
    """

    folder: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    passed: Tally

    @property
    def pictures(self) -> list[Path]:
        """The files that are pictures by their name."""
        return [file for file in self.files if is_picture(file)]

    def others(self, used: Sequence[Path] = ()) -> Tally:
        """What was passed over, and the files that are neither pictures nor `used`, by their ending."""
        told = Tally(self.passed)
        for file in self.files:
            if file not in used and not is_picture(file):
                told.add(f"passed over, as their ending is {ending(file)}", self.name_of(file))
        return told

    def name_of(self, file: Path) -> str:
        """A file's path below the folder, as text."""
        return as_utf8(file.relative_to(self.folder).as_posix())


def walk(folder: Path, *, deep: bool = True, leave_out: Sequence[Path] = ()) -> Walked:
    """Looks through a folder.

    Args:
        folder: where to begin; may be a link.
        deep: look into sub-folders too.
        leave_out: folders below which nothing is taken, and nothing counted.

    Raises InputError: the folder cannot be read.
    """
    skipped = {real(one) for one in leave_out}
    files: list[Path] = []
    folders: list[Path] = []
    passed = Tally()
    left = [(folder, 0)]
    while left:
        place, depth = left.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            if place == folder:
                raise InputError(f"folder {folder} cannot be read: {error.strerror}") from error
            passed.add(f"passed over, as they cannot be read ({error.strerror})", _below(place, folder))
            continue
        for entry in entries:
            path = place / entry.name
            if entry.name in OWN:
                continue
            if is_hidden(entry.name):
                passed.add("passed over, as they are hidden or a system's own", _below(path, folder))
            elif entry.is_dir(follow_symlinks=False):
                if real(path) in skipped:
                    continue
                folders.append(path)
                if deep and depth < DEEPEST:
                    left.append((path, depth + 1))
                elif deep:
                    passed.add(f"passed over, as they lie more than {DEEPEST} folders deep", _below(path, folder))
            elif why := _unfit(entry, path):
                passed.add(f"passed over, as they are {why}", _below(path, folder))
            else:
                files.append(path)
    return Walked(folder, tuple(sorted(files)), tuple(sorted(folders)), passed)


def ending(file: Path) -> str:
    """How a file ends, and what to do where that is a picture of a kind that is not read."""
    suffix = file.suffix.lower()
    if suffix in TO_CONVERT:
        return f"{suffix} {TO_SAVE_ANEW}"
    return suffix or "none"


def no_pictures(folder: Path, told: Tally) -> InputError:
    """The refusal of a folder without pictures, with what it holds instead."""
    held = "; ".join(told.lines())
    return InputError(
        f"{folder} holds no picture; expected files ending in {', '.join(PICTURE_SUFFIXES)}{f' ({held})' * bool(held)}"
    )


def _unfit(entry: os.DirEntry[str], path: Path) -> str:
    """Why something that is no folder is no file to read; empty: it is one."""
    try:
        if entry.is_file():
            return ""
        if not entry.is_symlink():
            return "no regular files"
        return "links to folders" if path.is_dir() else "links to nothing" if not path.exists() else "no regular files"
    except OSError as error:
        return f"unreadable ({error.strerror})"


def _below(path: Path, folder: Path) -> str:
    return as_utf8(path.relative_to(folder).as_posix())
