"""Small valid files of every format, made by our own commands and by the libraries whose formats they are."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.campaign import Case
from tests.fuzz.material import archives, classification, data_sets, own_pictures, records, runs, stored

ROOMS = (runs, own_pictures, data_sets, classification, stored, archives, records)


def all_cases(folder: Path) -> list[Case]:
    """Material below a folder, and the commands that read it."""
    return [case for room in ROOMS for case in room.cases(folder / room.__name__.rpartition(".")[2])]
