"""What was prepared from what: a small file below the data root that results read the label variant from."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from sccan.errors import InputError
from sccan.files.formats import PreparedLabels
from sccan.files.structured import read_json
from sccan.files.writing import write_json

FILE = "lists/prepared.json"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Record:
    """How the label images of one folder were made.

    Attributes:
        variant: name of the rule, for instance ``compatible`` or ``voc+sbd``.
        source: what they were made from, with its size or checksum.
        complete: whether the preparation came to its end.
    """

    variant: str
    source: str
    complete: bool


def read_records(root: Path) -> dict[str, Record]:
    """Folder of label images -> how they were made; empty where nothing was prepared by this tool.

    Raises InputError: the file is there but is not one of ours.
    """
    path = root / FILE
    if not path.is_file():
        return {}
    try:
        content: dict[str, PreparedLabels] = read_json(path, dict[str, PreparedLabels], "record")
    except InputError as error:
        raise InputError(f"{error}; remove it and prepare the data set again") from error
    return {folder: Record(one.variant, one.source, one.complete) for folder, one in content.items()}


def begin(root: Path, folder: str, variant: str, source: str) -> None:
    """Notes that the labels in `folder` are being made.

    Raises InputError: the folder holds labels made in another way or from another source.
    """
    records = read_records(root)
    earlier = records.get(folder)
    if earlier is not None and (earlier.variant, earlier.source) != (variant, source):
        raise InputError(
            f"{root / folder} holds labels made as {earlier.variant!r} from {earlier.source}, not as {variant!r} from "
            f"{source}; remove that folder and {root / FILE} to make them anew"
        )
    if earlier is None:
        _write(root, records | {folder: Record(variant, source, complete=False)})


def finish(root: Path, folder: str) -> None:
    """Notes that all labels in `folder` are made."""
    records = read_records(root)
    record = records.get(folder)
    if record is None:
        raise InputError(f"{root / FILE} was changed while {folder} was made; start again")
    _write(root, records | {folder: Record(record.variant, record.source, complete=True)})


def label_variant(root: Path, label: str) -> str:
    """How a label image (its path relative to the root) was made, for results; ``unknown`` if not by this tool.

    Raises InputError: see `read_records`.
    """
    records = read_records(root)
    for folder in PurePosixPath(label).parents:
        if str(folder) in records:
            return records[str(folder)].variant
    return UNKNOWN


def digest_of(path: Path) -> str:
    """First digits of the SHA-256 of a file, to tell one source from another."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _write(root: Path, records: dict[str, Record]) -> None:
    write_json(root / FILE, {folder: asdict(record) for folder, record in sorted(records.items())})
