"""Pictures told apart from a few examples of every class: any number of classes, unequal numbers of examples.

Letters: S support pictures, Q pictures to classify, N classes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.episodes.episode import Features
from sccan.episodes.stacking import batched, joined
from sccan.faults import InHalves
from sccan.method import Method

NONE = "none of these"


@dataclass(frozen=True)
class Classifying:
    """A few-shot classification method applied to pictures.

    Attributes:
        method: trained, in evaluation mode, on `device`.
        transform: the preprocessing that it was trained with.
        device: where the method is.
        autocast: gives the context in which the network runs, for lower precision.
    """

    method: Method
    transform: FixedTransform
    device: torch.device
    autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    def condition(self, examples: Iterable[np.ndarray], labels: Sequence[int], *, batch: int = 1) -> Any:
        """What the method keeps of the classes.

        Args:
            examples: S pictures, RGB uint8 [h, w, 3].
            labels: their classes, counted from 0.
            batch: pictures encoded together.
        """
        return self.condition_on(self.encoded(examples, batch=batch), labels)

    def condition_on(self, examples: Features, labels: Sequence[int]) -> Any:
        """`condition` on features that are known already, with the leading dimension [S]."""
        with torch.no_grad(), self.autocast():
            return self.method.condition(
                examples.view(1, len(labels)), torch.tensor([list(labels)], device=self.device)
            )

    def encoded(self, images: Iterable[np.ndarray], *, batch: int = 1) -> Features:
        """Features of any number of pictures, `batch` of them encoded together."""
        return joined([self.encode(group) for group in batched(images, batch)])

    def encode(self, images: Sequence[np.ndarray]) -> Features:
        """Features of pictures of any size, with the leading dimension [n]."""

        def encoded(inputs: Sequence[Tensor]) -> Features:
            together = torch.stack(list(inputs)).to(self.device)
            with torch.no_grad(), self.autocast():
                return self.method.encode(together)

        return joined(self._fitting(encoded, [self.transform(image) for image in images]))

    @functools.cached_property
    def _fitting(self) -> InHalves:
        return InHalves(self.device, "pictures")

    def probabilities(self, features: Features, state: Any) -> Tensor:
        """Softmax of the method's scores, float32 [Q, N] on the CPU.

        Args:
            features: of the Q pictures, which the method sees together (transductive ones learn from all of them).
            state: of `condition`.
        """
        count = len(next(iter(features.maps.values())))
        with torch.no_grad(), self.autocast():
            scores = self.method.predict(features.view(1, count), state)[0].float()
        return scores.softmax(-1).cpu()
