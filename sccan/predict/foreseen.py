"""What can be said before any picture is segmented: examples that show too little or too much, and memory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import torch

from sccan.builders.memory import MAPS, machine_bytes
from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.photos import AHEAD, Photo
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.segmentation.finding.class_maps import MAPS_KEPT

ALL_OVER = 0.98
"""Share of a picture from which on it is called marked all over."""
MUCH = 1 << 30
"""Bytes from which on their need is told."""


def told_masks(segmenter: Segmenter, supports: Supports) -> list[str]:
    """A line for masks that are smaller than the network sees, and for those that leave no background.

    Raises InputError: the supports are unfit for segmentation.
    """
    shots, transform, told = supports.shots(), segmenter.task.transform, Tally()
    cell = min(state.cell for state in segmenter.condition(supports))
    for shot in shots:
        counts = np.bincount(shot.label.reshape(-1), minlength=256)
        small = np.bincount(transform.label(shot.label).reshape(-1), minlength=256)
        for number, name in enumerate(supports.class_names, 1):
            if counts[number] >= ALL_OVER * (shot.label.size - counts[255]):
                told.add("marked all over, so that it shows no background", f"{shot.name} ({name})")
            elif counts[number] and small[number] < cell:
                told.add(
                    "smaller than the network sees (a cell of its features); raise --size, or cut the picture",
                    f"{shot.name} ({name})",
                )
    return told.lines()


def told_memory(segmenter: Segmenter, photos: Sequence[Photo], n_classes: int) -> list[str]:
    """A line where pictures are so large, or classes so many, that the memory may not do.

    Raises InputError: it cannot do.
    """
    largest, name = 0, ""
    for photo in photos:
        with contextlib.suppress(InputError):  # told when it is read
            height, width = photo.size()
            if height * width > largest:
                largest, name = height * width, photo.name
    together = min(segmenter.together, len(photos))
    _require(
        f"{together} pictures of {segmenter.size}x{segmenter.size} at once",
        3 * 4 * segmenter.size**2 * together * MAPS,
        segmenter.device,
        "use a smaller --batch or --size",
    )
    maps = 4 * largest * n_classes
    kept = maps if maps <= MAPS_KEPT else 4 * largest
    needed = 3 * largest * (together + AHEAD) + 4 * kept + 12 * largest
    how = "" if maps <= MAPS_KEPT else f"; the maps of {n_classes} classes are made one after the other"
    what = f"pictures as large as {name} ({largest / 1e6:.0f} megapixels){how}"
    _require(what, needed, torch.device("cpu"), "use a smaller --batch, or cut the pictures")
    return [f"about {needed / 1e9:.1f} GB of memory for {what}; a smaller --batch needs less"] * (needed >= MUCH)


def _require(what: str, needed: int, device: torch.device, advice: str) -> None:
    there = machine_bytes(device)
    if needed > there:
        raise InputError(f"{what} take about {needed / 1e9:.1f} GB, but {device} has {there / 1e9:.1f} GB; {advice}")
