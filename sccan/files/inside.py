"""Where a path leads: names that a file gives, under the folder that they belong to, and links."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from sccan.errors import InputError


def inside(folder: Path, name: str, source: str) -> Path:
    """The path of a name below a folder.

    Args:
        source: begins an error message: the file that gives the name, and the place in it.

    Raises InputError: the name is empty, absolute, leads upwards, or holds a character that no name has.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise InputError(f"{source}: {name[:200]!r} leads out of {folder}; expected a path below it")
    return folder / name


def real(path: str | Path) -> Path:
    """The absolute path, with links followed; a link to itself stays as it is, where `Path.resolve` raises."""
    return Path(os.path.realpath(path))
