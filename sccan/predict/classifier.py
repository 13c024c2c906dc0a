"""Pictures told apart from a few examples of every class.

>>> import sccan
>>> classifier = sccan.load("runs/can_resnet12_5w1s")  # doctest: +SKIP
>>> classifier(sccan.Supports.from_folder("examples"), "photo.jpg").name  # doctest: +SKIP
'cat'
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.builders.backbones import backbone_name
from sccan.builders.classification.class_words import needs_words, tell_classes
from sccan.builders.classification.data import fixed_transform, is_transductive
from sccan.builders.released.trained import Trained
from sccan.classification.classifying import NONE, Classifying
from sccan.engine.distributed import choose_device, computed_together
from sccan.engine.modes import autocast, check_precision
from sccan.episodes.episode import Features
from sccan.episodes.stacking import batched, joined
from sccan.errors import InputError
from sccan.files.photos import Failure, Photo, Pictures, find_photos, is_single, readable
from sccan.files.tally import Tally
from sccan.predict.supports import Supports


@dataclass(frozen=True)
class ClassifiedPicture:
    """What a picture was taken for.

    Attributes:
        picture: its name.
        path: its file; None for arrays.
        name: of the class, or ``none of these``.
        probabilities: of every class; they sum to 1 over the classes that were shown.
    """

    picture: str
    path: Path | None
    name: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """Of the best class."""
        return max(self.probabilities.values())


class Classifier:
    """A trained few-shot classification method, applied to one's own pictures.

    The supports are encoded and conditioned once and kept until others are given.

    Attributes:
        trained: the method and its settings.
    """

    def __init__(self, trained: Trained, *, device: str = "auto", precision: str = "float32", batch: int = 0) -> None:
        """
        Args:
            trained: of a classification method.
            device: auto | cpu | cuda | cuda:N.
            precision: float32 | bf16 | fp16.
            batch: pictures encoded together; 0: as many as suit the device.

        Raises InputError: the model segments, the device is not there, or a number is unfit.
        """
        if not trained.is_classifier:
            raise InputError(
                f"{trained.path} makes masks ({trained.cfg.METHOD.NAME}) and tells no pictures apart; "
                "use sccan segment, or name a model of a classification method"
            )
        check_precision(precision)
        self.trained, self.precision = trained, precision
        self.device = choose_device(device)
        self.batch = max(batch, 0) or computed_together(self.device)
        self.task = Classifying(
            trained.method.to(self.device),
            fixed_transform(trained.cfg),
            self.device,
            functools.partial(autocast, self.device, precision),
        )
        self._known: tuple[str, Any] = "", None

    @property
    def is_transductive(self) -> bool:
        """Whether all pictures of a call are looked at together."""
        return is_transductive(self.trained.cfg)

    def __call__(
        self, supports: Supports, pictures: Pictures, *, none_below: float = 0.0
    ) -> ClassifiedPicture | list[ClassifiedPicture]:
        """What the pictures show: one result for one picture, a list for a folder or a list.

        Args:
            none_below: smallest probability of the best class; a picture below it is none of these.

        Raises InputError: the supports, a picture or the threshold are unfit.
        """
        found = list(self.each(supports, pictures, none_below=none_below))
        return found[0] if is_single(pictures) else found

    def each(
        self,
        supports: Supports,
        pictures: Pictures,
        *,
        none_below: float = 0.0,
        on_error: Failure | None = None,
        told: Tally | None = None,
    ) -> Iterator[ClassifiedPicture]:
        """The results one after another (a transductive method gives them once it has seen all pictures).

        Args:
            none_below: see `__call__`.
            on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.
            told: gets what was done to pictures while they were read.

        Raises InputError: the supports, a picture or the threshold are unfit.
        """
        if not 0 <= none_below < 1:
            raise InputError(f"the smallest probability is {none_below}, but must lie in [0, 1)")
        state, names = self.condition(supports), supports.class_names
        for photos, features in self._encoded(find_photos(pictures), on_error, told):
            rows = self.task.probabilities(features, state).tolist()
            for photo, row in zip(photos, rows, strict=True):
                best = max(row)
                name = NONE if best < none_below else names[row.index(best)]
                yield ClassifiedPicture(photo.name, photo.path, name, dict(zip(names, row, strict=True)))

    def _encoded(
        self, photos: list[Photo], on_error: Failure | None, told: Tally | None
    ) -> Iterator[tuple[list[Photo], Features]]:
        """Groups of pictures that are looked at together, with their features."""
        groups = (
            ([photo for photo, _ in group], self.task.encode([image for _, image in group]))
            for group in batched(readable(photos, on_error, told), self.batch)
        )
        if not self.is_transductive:
            yield from groups
        elif everything := list(groups):
            yield [photo for own, _ in everything for photo in own], joined([features for _, features in everything])

    def condition(self, supports: Supports) -> Any:
        """The classes of the supports as the method keeps them; computed when they are new.

        Raises InputError: they are unfit for classification.
        """
        fingerprint = supports.fingerprint
        if self._known[0] != fingerprint:
            examples, labels = supports.labelled()
            if needs_words(self.trained.method):
                tell_classes(self.trained.cfg, self.trained.method, supports.class_names, own=True)
            self._known = (
                fingerprint,
                self.task.condition((example.image() for example in examples), labels, batch=self.batch),
            )
        return self._known[1]

    def __repr__(self) -> str:
        return f"Classifier({self.trained.cfg.METHOD.NAME} on {backbone_name(self.trained.cfg)}, {self.device})"
