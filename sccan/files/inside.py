"""Names that a file gives, resolved under the folder that they belong to."""

from __future__ import annotations

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
