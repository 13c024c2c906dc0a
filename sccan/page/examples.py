"""What a person has marked, as examples of the classes that are looked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sccan.episodes.index import IGNORE
from sccan.page.classes import ClassEntry
from sccan.page.store import Mark
from sccan.segmentation.finding.segmenting import ClassState, EncodedShot, Segmenting


def shown_classes(shots: Iterable[EncodedShot], active: Iterable[ClassEntry]) -> list[ClassEntry]:
    """Of the classes that are not removed, those that some example shows."""
    there = {value for shot in shots for value in np.unique(shot.label).tolist()}
    return [entry for entry in active if entry.number in there]


def conditioned(
    task: Segmenting, shots: Mapping[str, EncodedShot], marked: Mapping[str, Mark], shown: Sequence[ClassEntry]
) -> list[ClassState]:
    """Every class conditioned on the pictures that show it, and on those of which a person said that it is not there.

    Args:
        shots: by key, those of `marked` that can be read.
        marked: what was said of them.
        shown: the classes, each of which some example shows.
    """
    states = []
    for entry in shown:
        own = numbered([shot for shot in shots.values() if (shot.label == entry.number).any()], [entry])
        absent = [key for key, mark in marked.items() if mark.status == "absent" and mark.newest >= entry.number]
        empty = [shots[key].features for key in absent if key in shots]
        states += task.condition_on(own, [entry.name], absent=empty)
    return states


def numbered(shots: Sequence[EncodedShot], classes: Sequence[ClassEntry]) -> list[EncodedShot]:
    """The shots with labels 1, 2, ... for the classes, in their order."""
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for number, entry in enumerate(classes, 1):
        table[entry.number] = number
    return [EncodedShot(shot.name, shot.features, table[shot.label]) for shot in shots]
