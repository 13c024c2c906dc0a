"""Mark one, find the rest: what a model makes of a folder whose masks are known.

Of every class some pictures are drawn and shown as marked, the others are found from them and scored. Pictures are
encoded once for all draws.

Letters: K marked pictures.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sccan.engine.distributed import Runtime
from sccan.episodes.episode import Features
from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Example, Supports
from sccan.segmentation.evaluation.boundaries import boundary_f
from sccan.segmentation.evaluation.iou import confidence_interval
from sccan.segmentation.finding.segmenting import WINS, ClassState, EncodedShot
from sccan.segmentation.finding.transduction import Candidate, candidate, taught

MARKABLE = 0.002
"""Least share of a picture that a class covers in pictures that are shown as marked."""
TOLD = ("example", "intersection", "union", "background", "boundary", "seconds")
"""What a process tells the others of a finding."""
KEPT_BYTES = 1 << 30
"""Features that are kept for the next draw; of more, the oldest are computed again."""


@dataclass(frozen=True)
class Draw:
    """Which pictures of a class are marked, and which are looked at.

    Attributes:
        class_name: the class.
        shots: K.
        number: of the draw, from 0.
        marked: numbers of the examples that are shown.
        others: numbers of those that are scored.
    """

    class_name: str
    shots: int
    number: int
    marked: tuple[int, ...]
    others: tuple[int, ...]


@dataclass(frozen=True)
class Finding:
    """One picture found.

    Attributes:
        draw: by which it was found.
        example: its number.
        intersection, union: pixels of the foreground.
        background: the same two of the background.
        boundary: how well its border was found, see `boundary_f`.
        seconds: to encode it, and to find the class in it.
    """

    draw: Draw
    example: int
    intersection: int
    union: int
    background: tuple[int, int]
    boundary: float
    seconds: tuple[float, float]

    @property
    def iou(self) -> float:
        """Of the foreground; every picture shows some."""
        return self.intersection / self.union


def plan(
    examples: Sequence[Example], classes: Sequence[str], *, shots: Sequence[int], draws: int, queries: int, seed: int
) -> list[Draw]:
    """Which pictures are marked when, the same for every model.

    A class takes part with a K if more than K pictures show it, K of them at `MARKABLE` or more.

    Args:
        examples: with labels.
        classes: that are looked for.
        shots: every K.
        draws: of every class and K.
        queries: most pictures that are scored in a draw.
        seed: of the draws.
    """
    planned = []
    for name in classes:
        shares = {number: share for number, one in enumerate(examples) if (share := _share(one, name))}
        large = [number for number, share in shares.items() if share >= MARKABLE]
        for k in shots:
            for draw in range(draws if len(large) >= k and len(shares) > k else 0):
                generator = np.random.default_rng([seed, k, draw])
                marked = tuple(sorted(generator.permutation(large)[:k].tolist()))
                others = [number for number in generator.permutation(list(shares)).tolist() if number not in marked]
                planned.append(Draw(name, k, draw, marked, tuple(others[:queries])))
    return planned


class MarkOne:
    """Draws of marked pictures, and the rest of the folder found from them."""

    def __init__(self, segmenter: Segmenter, supports: Supports, *, learn: int = 0) -> None:
        """
        Args:
            segmenter: of any model; pictures are not cut into tiles.
            supports: the folder's pictures with their masks.
            learn: pictures of a draw that become further examples as they were found, see `taught`; 0: none.

        Raises InputError: a picture has no mask.
        """
        for example in supports.examples:
            if example.label is None:
                raise InputError(f"{example.name} has no mask, so nothing can be scored in it; mark it or leave it out")
        self.task, self.supports, self.learn = segmenter.task, supports, learn
        self.examples = supports.examples
        self._kept: dict[int, tuple[Features, float]] = {}

    def run(
        self, draws: Sequence[Draw], advance: Callable[[], None] = lambda: None, deal: slice = slice(None)
    ) -> Iterator[Finding]:
        """Every picture of every draw.

        Args:
            draws: of `plan`.
            advance: called after every picture.
            deal: which of the folder's pictures are looked at by this process.

        Raises InputError: a picture cannot be read, or what is marked is too small for the model.
        """
        dealt = range(len(self.examples))[deal]
        for draw in draws:
            own = [number for number in draw.others if number in dealt]
            states = self._states(draw) if own else []
            for number in own:
                features, encoding = self._encoded(number)
                label = class_label(self.examples[number], draw.class_name)
                begun = time.perf_counter()
                found = self._found(features, states, label)
                finding = time.perf_counter() - begun
                inside, union = _counts(found, label, 1)
                background, border = _counts(~found, label, 0), boundary_f(found, label)
                yield Finding(draw, number, inside, union, background, border, (encoding, finding))
                advance()

    def mask(self, draw: Draw, number: int) -> np.ndarray:
        """The mask of one picture, found once more, bool [h, w]."""
        label = class_label(self.examples[number], draw.class_name)
        return self._found(self._encoded(number)[0], self._states(draw), label)

    def _states(self, draw: Draw) -> list[ClassState]:
        shots = [
            EncodedShot(one.name, self._as_example(number), class_label(one, draw.class_name))
            for number in draw.marked
            for one in (self.examples[number],)
        ]
        states = self.task.condition_on(shots, [draw.class_name])
        if not self.learn:
            return states
        found = (self._candidate(number, draw.class_name, states) for number in draw.others)
        return self.task.condition_on(
            [*shots, *taught(self.task, shots, [draw.class_name], found, self.learn)], [draw.class_name]
        )

    def _candidate(self, number: int, class_name: str, states: Sequence[ClassState]) -> Candidate:
        label = class_label(self.examples[number], class_name)  # for its size alone
        size = label.shape[0], label.shape[1]
        example = functools.partial(self._as_example, number)
        return candidate(self.task, self._encoded(number)[0], self.examples[number].name, size, states, example)

    def _as_example(self, number: int) -> Features:
        return self.task.as_example(self._encoded(number)[0], self.examples[number].image)

    def _found(self, features: Features, states: Sequence[ClassState], label: np.ndarray) -> np.ndarray:
        size = (label.shape[0], label.shape[1])
        (answer,) = self.task.answers(features, [size], states)
        return self.task.at_size(answer.margins, size)[0] > WINS

    def _encoded(self, number: int) -> tuple[Features, float]:
        """Features of a picture, and the seconds they took; kept until there are too many."""
        if number in self._kept:
            return self._kept[number]
        image = self.examples[number].image()
        begun = time.perf_counter()
        features = self.task.encode([image])
        self._kept[number] = features, time.perf_counter() - begun
        size = sum(value.nbytes for value in features.maps.values())
        while len(self._kept) > max(KEPT_BYTES // size, 1):
            del self._kept[next(iter(self._kept))]
        return features, self._kept[number][1]


def shared(found: Iterable[Finding], draws: Sequence[Draw], runtime: Runtime) -> list[Finding]:
    """What all processes have found together, in the order of the draws, on every process."""
    places = {draw: place for place, draw in enumerate(draws)}
    own = [(places[one.draw], *(getattr(one, name) for name in TOLD)) for one in found]
    everything = {
        (place, values[0]): Finding(draws[place], *values)
        for text in runtime.gather(json.dumps(own))
        for place, *values in json.loads(text)
    }
    return [everything[place, number] for place, draw in enumerate(draws) for number in draw.others]


def class_label(example: Example, class_name: str) -> np.ndarray:
    """The label of one class: 1 where it is, 255 ignored, 0 elsewhere, uint8 [h, w]."""
    assert example.label is not None
    number = example.classes.index(class_name) + 1 if class_name in example.classes else 0
    own = (example.label == number) & (number > 0)
    return np.where(example.label == IGNORE, np.uint8(IGNORE), own.astype(np.uint8))


def _share(example: Example, class_name: str) -> float:
    return float((class_label(example, class_name) == 1).mean())


def _counts(found: np.ndarray, label: np.ndarray, value: int) -> tuple[int, int]:
    """Intersection and union with a label's value, over what is not ignored."""
    there, known = label == value, label != IGNORE
    return int(np.count_nonzero(found & there)), int(np.count_nonzero((found | there) & known))


# Scores


@dataclass(frozen=True)
class Score:
    """What the draws of one class with one K say.

    Attributes:
        class_name, shots: of the draws.
        draws, pictures: how many draws there were, and how many pictures were scored in them.
        iou: mean over draws of the mean over their pictures.
        half_width: of the 95 % interval over draws; not a number for a single draw.
        class_iou: sum of the intersections over sum of the unions, over all draws.
        fb_iou: mean of that and the same of the background.
        boundary: mean over draws of the mean over their pictures of `boundary_f`.
    """

    class_name: str
    shots: int
    draws: int
    pictures: int
    iou: float
    half_width: float
    class_iou: float
    fb_iou: float
    boundary: float


def scores(findings: Sequence[Finding]) -> list[Score]:
    """One per class and K, in the order in which they were found."""
    groups: dict[tuple[str, int], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.draw.class_name, one.draw.shots), []).append(one)
    return [_score(name, shots, own) for (name, shots), own in groups.items()]


def _score(class_name: str, shots: int, own: Sequence[Finding]) -> Score:
    by_draw: dict[int, list[Finding]] = {}
    for one in own:
        by_draw.setdefault(one.draw.number, []).append(one)
    interval = confidence_interval([float(np.mean([one.iou for one in draw])) for draw in by_draw.values()])
    boundary = float(np.mean([np.mean([one.boundary for one in draw]) for draw in by_draw.values()]))
    front = sum(one.intersection for one in own) / sum(one.union for one in own)
    unions = sum(one.background[1] for one in own)
    back = sum(one.background[0] for one in own) / unions if unions else 1.0
    means = interval.mean, interval.half_width, front, (front + back) / 2, boundary
    return Score(class_name, shots, len(by_draw), len(own), *means)
