"""What the journal of a folder of segmented pictures may say of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from sccan.errors import InputError
from sccan.files.formats import SegmentedClaim, SegmentedRecord
from sccan.files.journal import Journal, Record
from sccan.files.plain import plain
from sccan.files.structured import as_kind
from sccan.segmentation.data.annotations.run_lengths import pixels_of_code


def require_sound(journal: Journal, class_names: Sequence[str]) -> None:
    """Raises InputError: a line of the journal says what none of ours does."""
    for name, record in journal.records.items():
        place = f"{journal.path}: {plain(name)}"
        try:
            _check(record, class_names, place)
        except InputError as error:
            raise InputError(f"{error}; the file is damaged: remove it, and start with --overwrite") from error


def _check(record: Record, class_names: Sequence[str], place: str) -> None:
    if record.get("stamp") is None:
        as_kind(record, SegmentedClaim, place)
        return
    one: SegmentedRecord = as_kind(record, SegmentedRecord, place)
    for label in class_names:
        region = one.regions.get(label)
        if region is None:
            raise InputError(f"{place}: it says nothing of {plain(label)}")
        try:
            pixels = pixels_of_code(region.counts, (one.height, one.width)) if region.pixels else 0
        except ValueError as error:
            raise InputError(f"{place}: {plain(label)}: {error}") from error
        if pixels != region.pixels:
            raise InputError(f"{place}: {plain(label)} has {region.pixels} pixels, but its region has {pixels}")
