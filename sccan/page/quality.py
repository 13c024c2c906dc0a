"""Are the examples good? Each is looked for with the help of the others, on features that are known already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sccan.report.pictures import errors, resize_image, resize_mask
from sccan.report.sheets import fitted_size
from sccan.segmentation.finding.segmenting import ClassState, EncodedShot, Segmenting, Shot
from sccan.segmentation.finding.self_consistency import support_consistency

MOST = 40
"""Examples that are looked at: the latest."""
LARGEST = 640
"""Longer side of the pictures in which they are looked for, in pixels."""


@dataclass(frozen=True, eq=False)
class ExampleCheck:
    """An example as the model sees it with the help of the others.

    Attributes:
        name: of the picture.
        class_name: which of its classes.
        iou: of what was found with what was drawn, in [0, 1].
        how: what it was predicted from, in words.
        overlay: both drawn in, RGB uint8 [h, w, 3].
    """

    name: str
    class_name: str
    iou: float
    how: str
    overlay: np.ndarray


class OnKeptFeatures:
    """`Segmenting` for pictures whose features are known; asks before every step whether it should go on."""

    def __init__(self, task: Segmenting, go_on: Callable[[], None]) -> None:
        self.task, self.go_on = task, go_on
        self._known: dict[int, EncodedShot] = {}
        self._held: list[np.ndarray] = []

    def shot(self, encoded: EncodedShot, image: np.ndarray) -> Shot:
        """An example at a smaller size, with the features of the picture as it is."""
        size = fitted_size(image.shape, (LARGEST, LARGEST))
        shot = Shot(encoded.name, resize_image(image, size), resize_mask(encoded.label, size))
        self._known[id(shot.image)] = encoded
        self._held.append(shot.image)  # so that no other array gets its id
        return shot

    def condition(self, shots: Sequence[Shot], class_names: Sequence[str]) -> list[ClassState]:
        self.go_on()
        return self.task.condition_on([self._encoded(shot) for shot in shots], class_names)

    def foreground(self, images: Sequence[np.ndarray], states: Sequence[ClassState]) -> list[np.ndarray]:
        maps = []
        for image in images:
            self.go_on()
            known = self._known.get(id(image))
            features = self.task.encode([image]) if known is None else known.features
            size = image.shape[0], image.shape[1]
            [answer] = self.task.answers(features, [size], states)
            maps.append(self.task.at_size(answer.margins, size))
        return maps

    def _encoded(self, shot: Shot) -> EncodedShot:
        known = self._known.get(id(shot.image))
        if known is None:
            return self.task.encoded(shot)
        return EncodedShot(shot.name, known.features, shot.label)


def check_examples(
    task: Segmenting,
    shots: Sequence[tuple[EncodedShot, np.ndarray]],
    class_names: Sequence[str],
    go_on: Callable[[], None],
) -> list[ExampleCheck]:
    """How well the latest examples agree, the worst first.

    Args:
        shots: with their pictures, labels numbered as `class_names`.
        go_on: is called before every step; what it raises ends the check.

    Raises InputError: an example shows too little.
    """
    kept = OnKeptFeatures(task, go_on)
    found = support_consistency(kept, [kept.shot(one, image) for one, image in shots[-MOST:]], class_names)
    checks = [
        ExampleCheck(one.name, one.class_name, one.iou, one.how, errors(one.image, one.prediction, one.truth))
        for one in found
    ]
    return sorted(checks, key=lambda check: check.iou)
