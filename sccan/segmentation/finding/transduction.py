"""Folder transduction: what was found with confidence, and finds the examples again, becomes an example itself.

A picture of the folder teaches if the round trip holds: its own predicted mask, used as the only example, must find
what a person marked. Letters: N classes, C channels, h w picture size.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sccan.episodes.episode import Features
from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.finding.segmenting import (
    WINS,
    ClassState,
    EncodedShot,
    Segmenting,
    label_map,
    region_scores,
)
from sccan.segmentation.finding.self_consistency import mask_iou

TRIED = 3
"""Round trips for every picture that is wanted: those that were found with most confidence."""
WITNESSES = 5
"""Most marked pictures that are to be found again."""
LEAST = 0.5
"""Least IoU of a round trip, over the pixels of all witnesses."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A picture as it was found.

    Attributes:
        name: of the picture.
        label: what was found.
        confidence: of each of the N classes; 0 where it is probably absent.
        as_example: gives its features as those of an example.
    """

    name: str
    label: np.ndarray
    confidence: tuple[float, ...]
    as_example: Callable[[], Features]


def candidate(
    task: Segmenting,
    features: Features,
    name: str,
    size: tuple[int, int],
    states: Sequence[ClassState],
    as_example: Callable[[], Features],
) -> Candidate:
    """A picture as the states find it.

    Args:
        task: the method.
        features: of the picture.
        name: of the picture.
        size: h, w.
        states: of the N classes.
        as_example: gives its features as those of an example; called for those that are tried.
    """
    (answer,) = task.answers(features, [size], states)
    maps = task.at_size(answer.margins, size)
    label, absent = label_map(maps), task.absent(answer.sums, states)
    regions = region_scores(maps, label, [str(number) for number in range(len(states))]).values()
    confidence = tuple(0.0 if gone else one.confidence for one, gone in zip(regions, absent, strict=True))
    return Candidate(name, label, confidence, as_example)


def taught(
    task: Segmenting,
    shots: Sequence[EncodedShot],
    class_names: Sequence[str],
    candidates: Iterable[Candidate],
    most: int,
) -> list[EncodedShot]:
    """The pictures that teach: their labels hold the classes that passed the round trip; others found there are 255.

    Args:
        task: the method.
        shots: what a person has marked, labels 1 .. N.
        class_names: of the N labels.
        candidates: pictures of the folder; only as many are kept in memory as are tried.
        most: pictures for each class; those with the best round trips.
    """
    tried = _most_confident(candidates, len(class_names), TRIED * most)
    pupils = {one.name: EncodedShot(one.name, one.as_example(), one.label) for own in tried for _, one in own}
    chosen: dict[str, tuple[EncodedShot, set[int]]] = {}
    for number, name in enumerate(class_names, 1):
        witnesses = [shot for shot in shots if (shot.label == number).any()][:WITNESSES]
        own = ((place, pupils[one.name]) for place, one in tried[number - 1])
        ranked = sorted(
            ((_round_trip(task, pupil, witnesses, number, name), place, pupil) for place, pupil in own),
            key=lambda found: (-found[0], found[1]),
        )
        for iou, _, one in ranked[:most]:
            if iou >= LEAST:
                chosen.setdefault(one.name, (one, set()))[1].add(number)
    return [EncodedShot(shot.name, shot.features, _only(shot.label, numbers)) for shot, numbers in chosen.values()]


def _most_confident(candidates: Iterable[Candidate], n_classes: int, most: int) -> list[list[tuple[int, Candidate]]]:
    """For every class the candidates that were found with most confidence, with their places, in their order."""
    heaps: list[list[tuple[float, int, Candidate]]] = [[] for _ in range(n_classes)]
    for place, one in enumerate(candidates):
        for number, heap in enumerate(heaps, 1):
            if one.confidence[number - 1] > 0 and (one.label == number).any():
                entry = one.confidence[number - 1], -place, one
                if len(heap) < most:
                    heapq.heappush(heap, entry)
                else:
                    heapq.heappushpop(heap, entry)
    return [sorted(((-place, one) for _, place, one in heap), key=lambda own: own[0]) for heap in heaps]


def _round_trip(
    task: Segmenting, pupil: EncodedShot, witnesses: Sequence[EncodedShot], number: int, name: str
) -> float:
    """IoU of one class in the witnesses, found from the pupil alone."""
    alone = EncodedShot(pupil.name, pupil.features, class_mask(pupil.label, number))
    try:
        states = task.condition_on([alone], [name])
    except InputError:  # what was found is too small to teach
        return 0.0
    counts = []
    for witness in witnesses:
        truth = class_mask(witness.label, number)
        (answer,) = task.answers(witness.features, [truth.shape], states)
        found = task.at_size(answer.margins, truth.shape)[0] > WINS
        counts.append(mask_iou(found.astype(np.uint8), truth))
    intersection, union = (sum(count) for count in zip(*counts, strict=True))
    return intersection / union if union else 0.0


def _only(label: np.ndarray, numbers: set[int]) -> np.ndarray:
    """The label with these classes; what else was found is ignored."""
    return np.where(np.isin(label, [0, *numbers]), label, np.uint8(IGNORE))
