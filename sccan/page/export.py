"""The masks of a folder in another tool's format: whole or not at all in ``.sccan/exports/``, and as an archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sccan.errors import InputError
from sccan.page.places import OURS, require_inside
from sccan.page.session import Session
from sccan.segmentation.data.exports.formats import Options, check_format
from sccan.segmentation.data.exports.labelled import Labelled
from sccan.segmentation.data.exports.whole import OURS as MARK
from sccan.segmentation.data.exports.whole import write_export

EXPORTED = "exports"


def export_folder(session: Session, name: str, options: Options, *, predictions: bool) -> dict[str, Any]:
    """Writes all masks in a format, in the place of an earlier export in it.

    Args:
        name: of the format.
        options: see there.
        predictions: also what was found and nobody has looked at.

    Returns:
        Plain data: how many pictures, where, and those that had to be left out.

    Raises InputError: there is nothing to export, or it cannot be written.
    """
    gallery = session.gallery
    left_out: list[str] = []

    def labelled() -> Iterator[Labelled]:
        for key in keys:
            photo = gallery.photos[key]
            try:
                shown = session.shown(key)
                label = session.store.classes.consecutive(shown.label)
                yield Labelled(photo.name, gallery.read_path(key), label)
            except InputError as error:
                left_out.append(f"{photo.name}: {error}")

    marked = session.store.marked()
    keys = [key for key in gallery.photos if key in marked or (predictions and session.finder.facts(key))]
    class_names = [entry.name for entry in session.store.classes.active]
    check_format(name, class_names)
    if not keys or not class_names:
        raise InputError("there is no mask yet; mark the object in one picture first")
    target = require_inside(gallery.root, gallery.root / OURS / EXPORTED / name)
    names = [gallery.photos[key].name for key in keys]
    write_export(target, name, labelled(), class_names, names=names, options=options, overwrite=True)
    where = f"{gallery.root.name}/{OURS}/{EXPORTED}/{name}"
    return {"pictures": len(keys) - len(left_out), "path": str(target), "where": where, "left_out": left_out}


def zipped(session: Session, name: str) -> tuple[str, Iterator[bytes]]:
    """File name and content of an archive of an export, made while it is read.

    Raises InputError: it was not exported.
    """
    check_format(name, ())
    folder = require_inside(session.gallery.root, session.gallery.root / OURS / EXPORTED / name)
    if not folder.is_dir():
        raise InputError(f"{name} was not exported yet")
    return f"{name}.zip", _pieces(
        folder, sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    )


def _pieces(folder: Path, files: list[Path]) -> Iterator[bytes]:
    buffer = _Tail()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
            yield buffer.taken()
    yield buffer.taken()


class _Tail(io.RawIOBase):
    """A file that is written once from the beginning to the end, and handed out in pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._at += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece
