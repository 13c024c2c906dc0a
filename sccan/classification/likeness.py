"""None of these? How alike pictures are to the classes that were shown, and how alike is alike enough.

Examples say so themselves: each is looked at as if it were new, with the mean of its class formed without it. The
threshold is the conformal one (Vovk, Gammerman, Shafer: Algorithmic learning in a random world): of n examples, the
k-th least alike, below which a new picture of the classes falls in k of n + 1 cases.
Letters: S examples, Q pictures, N classes, n likenesses, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CUT = 0.3
"""Side of what altered copies show of a picture, as a share of its own: with larger ones, which resemble it more, the
share of wrong rejections came out several times as large as promised (chosen on the validation classes of CIFAR-FS)."""
ONES = 128
"""Classes with a single example whose copies are looked at, at most."""


@dataclass(frozen=True)
class LeftOut:
    """Every example, seen as if it were new.

    Attributes:
        own: cosine with the mean of the other examples of its class, [S]; -1 where there is none.
        other: largest cosine with the mean of another class, [S].
        nearest: that class, [S].
        is_only: whether it is the only example of its class, [S].
    """

    own: Tensor
    other: Tensor
    nearest: Tensor
    is_only: Tensor

    @property
    def likeness(self) -> Tensor:
        """Of the examples that are not the only one of their class, to whatever class is nearest, [n]."""
        return torch.maximum(self.own, self.other)[~self.is_only]

    @property
    def doubtful(self) -> list[int]:
        """Numbers of the examples that are nearer to another class than to the others of their own."""
        return torch.nonzero(~self.is_only & (self.other > self.own)).flatten().tolist()


@dataclass(frozen=True)
class ClassMeans:
    """The classes as the backbone sees them.

    Attributes:
        sums: of vectors of length one of every class, [N, C].
        counts: of the examples of every class, [N].
    """

    sums: Tensor
    counts: Tensor

    @classmethod
    def of(cls, vectors: Tensor, labels: Tensor) -> ClassMeans:
        """
        Args:
            vectors: of the examples, [S, C].
            labels: 0 .. N - 1, each at least once, [S].
        """
        members = F.one_hot(labels).to(vectors)  # [S, N]
        return cls(members.T @ F.normalize(vectors, dim=-1), members.sum(0))

    def likeness(self, vectors: Tensor) -> Tensor:
        """Cosine of pictures [Q, C] with the nearest class mean, [Q]."""
        return (F.normalize(vectors, dim=-1) @ F.normalize(self.sums, dim=-1).T).amax(-1)

    def left_out(self, vectors: Tensor, labels: Tensor) -> LeftOut:
        """The examples that the means were made of, each compared with means that were made without it."""
        unit = F.normalize(vectors, dim=-1)
        own = F.cosine_similarity(unit, self.sums[labels] - unit, dim=-1)
        is_only = self.counts[labels] < 2
        others = unit @ F.normalize(self.sums, dim=-1).T
        others[torch.arange(len(labels), device=labels.device), labels] = -torch.inf
        other, nearest = others.max(-1)
        return LeftOut(torch.where(is_only, -1.0, own), other, nearest, is_only)


@dataclass(frozen=True)
class Rejection:
    """From which likeness on a picture is one of the classes.

    Attributes:
        threshold: smallest likeness of a picture that is.
        share: of the pictures of the classes that are expected to lie below it.
        count: n.
        how: what the likenesses are of, in words.
    """

    threshold: float
    share: float
    count: int
    how: str

    def __str__(self) -> str:
        return (
            f"none of these: likeness below {self.threshold:.3f}; about {100 * self.share:.1f} % of the pictures that "
            f"show one of the classes are expected there, too (from {self.count} {self.how})"
        )


def rejection(likenesses: Tensor, share: float, how: str) -> Rejection:
    """The largest threshold below which no more than a share of new pictures is expected.

    So many likenesses tell shares in steps of 1 / (n + 1); of what is less than one step, that step is taken.

    Args:
        likenesses: at least one, [n].
        share: above 0 and below 1.
        how: see `Rejection`.
    """
    n = len(likenesses)
    rank = max(1, math.floor(share * (n + 1) + 1e-9))
    return Rejection(float(likenesses.sort().values[rank - 1]), rank / (n + 1), n, how)


def altered_copies(image: np.ndarray) -> Sequence[np.ndarray]:
    """Stand-ins for further pictures of an only example's class: its corners and its middle, every second mirrored.

    Args:
        image: RGB uint8 [h, w, 3].
    """
    height, width = image.shape[:2]
    rows, columns = (max(1, round(CUT * side)) for side in (height, width))
    places = [(0, 0), (0, width - columns), (height - rows, 0), (height - rows, width - columns)]
    places.append(((height - rows) // 2, (width - columns) // 2))
    parts = [image[top : top + rows, left : left + columns] for top, left in places]
    return [np.ascontiguousarray(part[:, ::-1] if number % 2 else part) for number, part in enumerate(parts)]
