"""What a segmenter and a classifier have in common: a trained model on a device, and what it sees in pictures."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sccan.builders.backbones import backbone_name
from sccan.builders.released.trained import Trained
from sccan.classification.classifying import Classifying
from sccan.engine.distributed import choose_device, computed_together
from sccan.engine.modes import autocast, check_precision
from sccan.engine.onnx_backbone import with_engine
from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.photos import Failure, Photo, Pictures, find_photos, readable
from sccan.predict.embedding import Embedding, embedded
from sccan.segmentation.finding.segmenting import Segmenting


class PictureModel:
    """A trained method on a device.

    Attributes:
        trained: the method and its settings.
        task: applies it to pictures.
        device: where it is.
        precision: that the network computes in.
        batch: pictures or tiles computed together.
        engine: what computes the backbone.
    """

    task: Classifying | Segmenting

    def __init__(self, trained: Trained, *, device: str, precision: str, batch: int, engine: str) -> None:
        """
        Args:
            trained: is moved to the device.
            device: auto | cpu | cuda | cuda:N.
            precision: float32 | bf16 | fp16.
            batch: see above; 0: as many as suit the device.
            engine: auto | torch | onnx.

        Raises InputError: the device, the precision or the engine is not there, or the batch is none.
        """
        check_precision(precision)
        if batch < 0:
            raise InputError(f"a batch of {batch} pictures is none; give at least 1, or 0 for what suits the device")
        self.trained, self.precision = trained, precision
        self.device = choose_device(device)
        self.batch = batch or computed_together(self.device)
        self.engine = with_engine(trained.method, engine, self.device, precision)
        trained.method.to(self.device)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which the network computes."""
        return autocast(self.device, self.precision)

    def embed(
        self,
        pictures: Pictures,
        *,
        on_error: Failure | None = None,
        told: Tally | None = None,
        advance: Callable[[int], object] = int,
    ) -> Embedding:
        """Features of whole pictures, one vector each: for clustering and search, and of a classifier for its calls.

        Args:
            on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.
            told: gets what was done to pictures while they were read.
            advance: is told how many pictures more are done.

        Raises InputError: a picture cannot be read, or none can.
        """
        groups = self.groups(find_photos(pictures), on_error, told)
        return embedded(self.trained, self.task.encode, groups, precision=self.precision, advance=advance)

    @property
    def together(self) -> int:
        """Pictures that are computed together."""
        return self.batch

    def groups(
        self, photos: Sequence[Photo], on_error: Failure | None = None, told: Tally | None = None
    ) -> Iterator[list[tuple[Photo, np.ndarray]]]:
        """The pictures that are computed together, with their pixels RGB uint8 [h, w, 3].

        Args:
            photos: in their order.
            on_error, told: see `embed`.

        Raises InputError: see `embed`.
        """
        # By their place, not by what could be read or is left: the last digits depend on what is computed together.
        places = enumerate(photos)

        def group(item: tuple[Photo, np.ndarray]) -> int:
            return next(place for place, photo in places if photo is item[0]) // self.together

        return (list(items) for _, items in itertools.groupby(readable(photos, on_error, told), group))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.trained.cfg.METHOD.NAME} on {backbone_name(self.trained.cfg)}, {self.device})"
        )
