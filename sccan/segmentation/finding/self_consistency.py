"""Is an example good? Each is predicted from the others, or a single one from itself in altered copies of it.

A mask that was drawn around the wrong thing, or too carelessly, disagrees with what the model makes of the other
examples; that is cheap to find before a thousand pictures are segmented. A low number may also mean that the model
cannot do it: then it is low for all of them.

Letters: N classes, K shots, h w picture size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from sccan.episodes.index import IGNORE
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.finding.segmenting import WINS, ClassState, Shot

OTHERS = 8
"""Most examples that one is predicted from."""
ZOOM = 1.4
"""Of the enlarged copy, which is cut out around the object; the smaller copy shrinks as much."""
GAIN, SHIFT = 1.25, 25.0
"""Of the copies with other contrast and brightness, in grey levels of 255."""


class Finds(Protocol):
    """What is asked of `Segmenting`: classes from examples, and where they are in other pictures."""

    def condition(self, shots: Sequence[Shot], class_names: Sequence[str]) -> list[ClassState]: ...

    def foreground(self, images: Sequence[np.ndarray], states: Sequence[ClassState]) -> list[np.ndarray]: ...


Copy = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Picture [h, w, 3] and mask [h, w] to an altered picture and its mask."""


@dataclass(frozen=True, eq=False)
class Consistency:
    """An example as the model sees it.

    Attributes:
        name: of the example.
        class_name: which of its classes.
        iou: of predicted and drawn mask, ignored pixels left out, in [0, 1]; over all copies together.
        how: what it was predicted from, in words.
        image: what it was predicted for, RGB uint8 [h, w, 3]: the example, or the copy that went worst.
        prediction: for it, uint8 {0, 1}, [h, w].
        truth: its drawn mask, uint8 {0, 1, 255}, [h, w].
    """

    name: str
    class_name: str
    iou: float
    how: str
    image: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray


def support_consistency(task: Finds, shots: Sequence[Shot], class_names: Sequence[str]) -> list[Consistency]:
    """How well every example agrees with the others, class by class, in their order.

    Each is predicted from each of the others alone, and the middle one of these results counts (of two, the better): a
    bad example among several good ones lowers its own number and not theirs.

    Args:
        task: the method as it will be used.
        shots: annotated pictures.
        class_names: of the labels 1 .. N.

    Raises InputError: an example shows too little (see `Segmenting.condition`).
    """
    found: list[Consistency] = []
    for number, class_name in enumerate(class_names, 1):
        own = [Shot(s.name, s.image, class_mask(s.label, number)) for s in shots if (s.label == number).any()]
        if len(own) == 1:
            found.append(_from_copies(task, own[0], class_name))
        else:
            found += _from_others(task, own, class_name)
    return found


def mask_iou(prediction: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Pixels of intersection and union of two masks; where the truth is 255, neither counts.

    Args:
        prediction: foreground is 1, [h, w].
        truth: 0, 1 or 255, [h, w].
    """
    counted = truth != IGNORE
    one, two = (prediction == 1) & counted, truth == 1
    return int(np.count_nonzero(one & two)), int(np.count_nonzero(one | two))


def _from_others(task: Finds, shots: Sequence[Shot], class_name: str) -> list[Consistency]:
    """Every example from each of the (at most `OTHERS`) examples after it, going round."""
    n_others = min(len(shots) - 1, OTHERS)
    seen: list[list[tuple[float, np.ndarray]]] = [[] for _ in shots]
    for place, teacher in enumerate(shots):
        pupils = [(place - step) % len(shots) for step in range(1, n_others + 1)]
        predictions = _predicted(task, teacher, class_name, [shots[pupil].image for pupil in pupils])
        for pupil, prediction in zip(pupils, predictions, strict=True):
            seen[pupil].append((_ratio(*mask_iou(prediction, shots[pupil].label)), prediction))
    how = "predicted from the other" if n_others == 1 else f"predicted from each of {n_others} others"
    found = []
    for shot, results in zip(shots, seen, strict=True):
        iou, prediction = sorted(results, key=lambda result: result[0])[len(results) // 2]
        found.append(Consistency(shot.name, class_name, iou, how, shot.image, prediction, shot.label))
    return found


def _from_copies(task: Finds, shot: Shot, class_name: str) -> Consistency:
    copies = [copy(shot.image, shot.label) for copy in COPIES.values()]
    predictions = _predicted(task, shot, class_name, [image for image, _ in copies])
    counts = [mask_iou(p, mask) for p, (_, mask) in zip(predictions, copies, strict=True)]
    intersection, union = (sum(count) for count in zip(*counts, strict=True))
    worst = min(range(len(copies)), key=lambda number: _ratio(*counts[number]))
    how = f"found again in {len(COPIES)} altered copies of it; shown is the worst, {list(COPIES)[worst]}"
    image, mask = copies[worst]
    return Consistency(shot.name, class_name, _ratio(intersection, union), how, image, predictions[worst], mask)


def _predicted(task: Finds, teacher: Shot, class_name: str, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Masks of one class by one example, uint8 {0, 1} [h, w] each."""
    states = task.condition([teacher], [class_name])
    return [(maps[0] > WINS).astype(np.uint8) for maps in task.foreground(images, states)]


def _ratio(intersection: int, union: int) -> float:
    """1 where there is nothing and nothing was found."""
    return intersection / union if union else 1.0


# Altered copies


def mirrored(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])


def enlarged(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part around the object's middle, 1 / `ZOOM` of the picture's height and width."""
    height, width = mask.shape
    side = max(1, round(height / ZOOM)), max(1, round(width / ZOOM))
    places = np.argwhere(mask == 1)
    middle = places[np.square(places - places.mean(0)).sum(1).argmin()]  # a pixel of the object, as several may be
    top, left = (
        int(np.clip(m - part // 2, 0, whole - part))
        for m, part, whole in zip(middle, side, (height, width), strict=True)
    )
    part = slice(top, top + side[0]), slice(left, left + side[1])
    return np.ascontiguousarray(image[part]), np.ascontiguousarray(mask[part])


def reduced(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture 1 / `ZOOM` as large inside a canvas of its mean colour, which is ignored."""
    height, width = mask.shape
    small = max(1, round(height / ZOOM)), max(1, round(width / ZOOM))
    canvas = np.broadcast_to(image.mean((0, 1)).round().astype(np.uint8), image.shape).copy()
    ignored = np.full_like(mask, IGNORE)
    top, left = (height - small[0]) // 2, (width - small[1]) // 2
    part = slice(top, top + small[0]), slice(left, left + small[1])
    canvas[part] = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
    ignored[part] = cv2.resize(mask, small[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return canvas, ignored


def brighter(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All channels raised by `SHIFT`."""
    return _toned(image, 1.0, SHIFT), mask


def paler(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contrast divided by `GAIN`, around the middle grey."""
    return _toned(image, 1 / GAIN, 127.5 * (1 - 1 / GAIN)), mask


def warmer(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """More red and less blue, by half of `SHIFT`."""
    return _toned(image, 1.0, np.array([SHIFT / 2, 0.0, -SHIFT / 2])), mask


def _toned(image: np.ndarray, gain: float, shift: float | np.ndarray) -> np.ndarray:
    return np.clip(image * gain + shift, 0, 255).round().astype(np.uint8)


COPIES: dict[str, Copy] = {
    "mirrored": mirrored,
    "enlarged": enlarged,
    "reduced": reduced,
    "brighter": brighter,
    "paler": paler,
    "warmer": warmer,
}
"""What is done to a single example."""
