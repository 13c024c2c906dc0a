"""An export as a folder that is there whole or not at all, and takes the place of an earlier export alone."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from sccan.errors import InputError
from sccan.files.writing import ADVICE, partial_of
from sccan.segmentation.data.exports.formats import PLAIN, Options, write_format
from sccan.segmentation.data.exports.labelled import Labelled

OURS = ".sccan_export"
"""A file in every export, by which it is known as one."""


def write_export(
    target: Path,
    name: str,
    pictures: Iterable[Labelled],
    class_names: Sequence[str],
    *,
    names: Sequence[str],
    options: Options = PLAIN,
    overwrite: bool = False,
) -> None:
    """Writes a format into a folder of its own; see `write_format`.

    Args:
        target: the folder; an earlier export there is replaced.
        overwrite: replace whatever is there.

    Raises InputError: something else is there, or it cannot be written; then what was there is there still.
    """
    require_place(target, overwrite=overwrite)
    beside, aside = partial_of(target), partial_of(target)
    try:
        beside.mkdir(parents=True)
        (beside / OURS).touch()
        write_format(beside, name, pictures, class_names, names=names, options=options)
        if target.is_dir():
            target.replace(aside)  # a kill may come while its files are removed
        try:
            beside.replace(target)
        except OSError:
            if aside.exists():
                aside.replace(target)
            raise
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror}; {ADVICE.get(error.errno or errno.EIO, 'choose another folder')}"
        ) from error
    finally:
        for left in (beside, aside):
            shutil.rmtree(left, ignore_errors=True)


def require_place(target: Path, *, overwrite: bool = False) -> None:
    """Checks where an export is to be, before there is one.

    Raises InputError: something else is there.
    """
    if target.is_symlink():
        raise InputError(f"{target} is a link, and exports are not written through links; choose another place")
    if target.exists() and not overwrite and not (target / OURS).is_file():
        raise InputError(f"{target} is there and no export; choose another place, or --overwrite")
