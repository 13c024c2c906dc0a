"""Pictures told apart from a few examples of every class.

>>> import sccan
>>> classifier = sccan.load("runs/can_resnet12_5w1s")  # doctest: +SKIP
>>> classifier(sccan.Supports.from_folder("examples"), "photo.jpg").name  # doctest: +SKIP
'cat'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sccan.builders.backbones import backbone_name
from sccan.builders.classification.class_words import needs_words, tell_classes
from sccan.builders.classification.data import fixed_transform, is_transductive
from sccan.builders.classification.frozen import require_balance
from sccan.builders.released.trained import Trained
from sccan.classification.classifying import NONE, Classifying
from sccan.classification.likeness import (
    ONES,
    ClassMeans,
    LeftOut,
    Rejection,
    altered_copies,
    rejection,
)
from sccan.classification.methods.frozen_vectors import FrozenVectors
from sccan.episodes.episode import Features
from sccan.episodes.stacking import batched, joined, picture_vectors
from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.photos import Failure, Photo, Pictures, find_photos, is_single
from sccan.predict.embedding import Embedding, Origin
from sccan.predict.picture_model import PictureModel
from sccan.predict.publishing import push
from sccan.predict.supports import Supports

KEPT_TOGETHER = 4096
"""Pictures of which features are known that are judged at a time."""


@dataclass(frozen=True)
class ClassifiedPicture:
    """What a picture was taken for.

    Attributes:
        picture: its name.
        path: its file; None for arrays.
        name: of the class, or ``none of these``.
        probabilities: of every class; they sum to 1 over the classes that were shown.
        likeness: cosine of its features with the nearest class mean.
    """

    picture: str
    path: Path | None
    name: str
    probabilities: dict[str, float]
    likeness: float

    @property
    def probability(self) -> float:
        """Of the best class."""
        return max(self.probabilities.values())


@dataclass(frozen=True)
class DoubtfulExample:
    """An example that is nearer to another class than to the others of its own.

    Attributes:
        number: of the example.
        name: its name.
        class_name: what it was shown as.
        own: its cosine with the mean of the others of that class.
        nearest: the other class.
        other: its cosine with that one's mean.
    """

    number: int
    name: str
    class_name: str
    own: float
    nearest: str
    other: float

    def __str__(self) -> str:
        return (
            f"doubtful example: {self.name} ({self.class_name}) is nearer to {self.nearest} ({self.other:.2f}) than to "
            f"the others of its class ({self.own:.2f}); check its class"
        )


@dataclass(frozen=True)
class _Known:
    """Supports that were learned.

    Attributes:
        fingerprint: of the supports.
        state: what the method keeps of them.
        means: of their classes.
        left_out: each example seen as if it were new.
    """

    fingerprint: str
    state: Any
    means: ClassMeans
    left_out: LeftOut


class Classifier(PictureModel):
    """A trained few-shot classification method, applied to one's own pictures.

    The supports are encoded and conditioned once and kept until others are given.
    """

    task: Classifying

    def __init__(
        self,
        trained: Trained,
        *,
        device: str = "auto",
        precision: str = "float32",
        batch: int = 0,
        engine: str = "auto",
    ) -> None:
        """
        Args:
            trained: of a classification method.
            device: auto | cpu | cuda | cuda:N.
            precision: float32 | bf16 | fp16.
            batch: pictures encoded together; 0: as many as suit the device.
            engine: what computes the backbone: auto | torch | onnx.

        Raises InputError: the model segments or works on balanced pictures alone, the device is not there, or a number
            is unfit.
        """
        if not trained.is_classifier:
            raise InputError(
                f"{trained.path} makes masks ({trained.cfg.METHOD.NAME}) and tells no pictures apart; "
                "use sccan segment, or name a model of a classification method"
            )
        require_balance(trained.cfg, balanced=False, where="nobody knows how a folder's pictures are dealt")
        super().__init__(trained, device=device, precision=precision, batch=batch, engine=engine)
        self.task = Classifying(trained.method, fixed_transform(trained.cfg), self.device, self.autocast)
        self._known: _Known | None = None

    def push(self, address: str, *, license_name: str = "", private: bool = False) -> str:
        """Puts the model on the hub; see `sccan.predict.publishing.push`."""
        return push(self.trained, address, license_name=license_name, private=private)

    @property
    def is_transductive(self) -> bool:
        """Whether all pictures of a call are looked at together."""
        return is_transductive(self.trained.cfg)

    def __call__(
        self, supports: Supports, pictures: Pictures | Embedding, *, none_below: float = 0.0, reject: float = 0.0
    ) -> ClassifiedPicture | list[ClassifiedPicture]:
        """What the pictures show: one result for one picture, a list for a folder, a list, or features that are known.

        Args:
            none_below: smallest probability of the best class; a picture below it is none of these.
            reject: share of the pictures of the classes that may be called none of these by mistake; a picture that is
                less like every class than all but this share of the examples is none of these (see `rejection`).

        Raises InputError: the supports, a picture or a number are unfit.
        """
        found = list(self.each(supports, pictures, none_below=none_below, reject=reject))
        return found if isinstance(pictures, Embedding) or not is_single(pictures) else found[0]

    def each(
        self,
        supports: Supports,
        pictures: Pictures | Embedding,
        *,
        none_below: float = 0.0,
        reject: float = 0.0,
        on_error: Failure | None = None,
        told: Tally | None = None,
    ) -> Iterator[ClassifiedPicture]:
        """The results one after another (a transductive method gives them once it has seen all pictures).

        Args:
            none_below, reject: see `__call__`.
            on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.
            told: gets what was done to pictures while they were read.

        Raises InputError: the supports, a picture or a number are unfit.
        """
        if not 0 <= none_below < 1:
            raise InputError(f"the smallest probability is {none_below}, but must lie in [0, 1)")
        least = self.rejection(supports, reject).threshold if reject else -torch.inf
        known, names = self._learned(supports), supports.class_names
        if isinstance(pictures, Embedding):
            groups = self._kept(pictures)
        else:
            groups = self._encoded(find_photos(pictures), on_error, told)
        for found, features in groups:
            rows = self.task.probabilities(features, known.state).tolist()
            alike = known.means.likeness(picture_vectors(features)).tolist()
            for (picture, path), row, likeness in zip(found, rows, alike, strict=True):
                best = max(row)
                name = NONE if best < none_below or likeness < least else names[row.index(best)]
                yield ClassifiedPicture(picture, path, name, dict(zip(names, row, strict=True)), likeness)

    def _kept(self, pictures: Embedding) -> Iterator[tuple[list[tuple[str, Path | None]], Features]]:
        method = self.trained.method
        if not isinstance(method, FrozenVectors) or len(method.stages) != 1:
            raise InputError(
                f"{self.trained.cfg.METHOD.NAME} looks at more of a picture than one vector; give it the pictures"
            )
        side = self.task.transform.size
        backbone = backbone_name(self.trained.cfg)
        pictures.require(Origin(backbone, self.trained.digest, method.stages[0], side, self.precision))
        together = len(pictures) if self.is_transductive else KEPT_TOGETHER
        for names in batched(pictures.names, together):
            yield [(name, None) for name in names], pictures.of(names).features.to(self.device)

    def rejection(self, supports: Supports, share: float) -> Rejection:
        """From which likeness on a picture is one of the classes, read off the examples.

        Each is looked at as if it were new, with the mean of its class formed without it. For the only example of a
        class stand altered copies of it; how alike those are to it is a guess at how alike another picture would be.

        Args:
            share: of the pictures of the classes that may be called none of these by mistake, above 0 and below 1.

        Raises InputError: the supports are unfit, or there is no such share.
        """
        if not 0 < share < 1:
            raise InputError(f"the share of wrong rejections is {share}, but must lie between 0 and 1, such as 0.05")
        known = self._learned(supports)
        copies = self._copies(supports, known)
        likenesses = torch.cat([known.left_out.likeness, copies])
        parts = {"examples, each without itself": len(known.left_out.likeness), "altered copies": len(copies)}
        return rejection(likenesses, share, " and ".join(what for what, count in parts.items() if count))

    def doubtful(self, supports: Supports) -> list[DoubtfulExample]:
        """The examples that are nearer to another class than to the others of their own, the worst first.

        Raises InputError: the supports are unfit for classification.
        """
        left_out, (examples, labels) = self._learned(supports).left_out, supports.labelled()
        names = supports.class_names
        found = [
            DoubtfulExample(
                number,
                examples[number].name,
                names[labels[number]],
                float(left_out.own[number]),
                names[int(left_out.nearest[number])],
                float(left_out.other[number]),
            )
            for number in left_out.doubtful
        ]
        return sorted(found, key=lambda one: one.own - one.other)

    def _copies(self, supports: Supports, known: _Known) -> Tensor:
        """Likeness of altered copies of the only examples of their classes; of many, of some spread evenly."""
        alone = torch.nonzero(known.left_out.is_only).flatten().tolist()
        some = alone[:: -(-len(alone) // ONES)] if alone else []
        images = (copy for number in some for copy in altered_copies(supports.examples[number].image()))
        vectors = [picture_vectors(self.task.encode(group)) for group in batched(images, self.batch)]
        return known.means.likeness(torch.cat(vectors)) if vectors else torch.empty(0)

    def _encoded(
        self, photos: list[Photo], on_error: Failure | None, told: Tally | None
    ) -> Iterator[tuple[list[tuple[str, Path | None]], Features]]:
        """Groups of pictures that are looked at together, names and files, with their features."""
        groups = (
            ([(photo.name, photo.path) for photo, _ in group], self.task.encode([image for _, image in group]))
            for group in self.groups(photos, on_error, told)
        )
        if not self.is_transductive:
            yield from groups
        elif everything := list(groups):
            yield [name for own, _ in everything for name in own], joined([features for _, features in everything])

    def condition(self, supports: Supports) -> Any:
        """The classes of the supports as the method keeps them; computed when they are new.

        Raises InputError: they are unfit for classification.
        """
        return self._learned(supports).state

    def _learned(self, supports: Supports) -> _Known:
        fingerprint = supports.fingerprint
        if self._known is None or self._known.fingerprint != fingerprint:
            examples, labels = supports.labelled()
            if needs_words(self.trained.method):
                tell_classes(self.trained.cfg, self.trained.method, supports.class_names, own=True)
            features = self.task.encoded((example.image() for example in examples), batch=self.batch)
            vectors, ways = picture_vectors(features), torch.tensor(labels)
            means = ClassMeans.of(vectors, ways)
            state = self.task.condition_on(features, labels)
            self._known = _Known(fingerprint, state, means, means.left_out(vectors, ways))
        return self._known
