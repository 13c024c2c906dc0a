"""Accuracy of few-shot classification: counts per episode, then their mean and its 95 % interval.

Letters: B episodes, N ways, Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sccan.classification.data.episodes import Picture, way_labels
from sccan.episodes.episode import EpisodeSpec
from sccan.errors import InputError
from sccan.report.tables import percent_interval

ROW = ("episode", "correct", "queries")
"""Columns of a row of counts."""

Z95 = 1.96


@dataclass(frozen=True)
class Accuracy:
    """Mean accuracy over episodes.

    Attributes:
        mean: share of queries that are right, in [0, 1], averaged over episodes.
        half_width: of the 95 % interval, 1.96 * s / sqrt(n) with the population standard deviation s of the episodes'
            accuracies (the formula of CAN and its relatives; others use the sample deviation and Student's t).
        episodes: n.
    """

    mean: float
    half_width: float
    episodes: int

    def __str__(self) -> str:
        return f"{percent_interval(self.mean, self.half_width)} %"


def score_accuracy(outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
    """Rows of counts, see `ROW`, of a batch of episodes from its scores [B, Q, N]."""
    labels = way_labels([spec.query for spec in specs]).to(outputs.device)
    return count_correct(outputs, labels, torch.tensor([spec.number for spec in specs], device=outputs.device))


def count_correct(scores: Tensor, labels: Tensor, numbers: Tensor) -> Tensor:
    """Rows of counts.

    Args:
        scores: [B, Q, N]; of equal scores the lowest class counts as predicted.
        labels: true ways, [B, Q].
        numbers: of the episodes, [B].

    Returns:
        int64 [B, 3], see `ROW`.
    """
    correct = (scores.argmax(-1) == labels).sum(1)
    return torch.stack([numbers, correct, torch.full_like(numbers, labels.shape[1])], dim=1)


def accuracy(rows: Tensor | np.ndarray) -> Accuracy:
    """Accuracy from rows of counts; the order of the rows does not matter.

    Raises InputError: there is no row.
    """
    table = np.asarray(rows, dtype=np.int64)
    if len(table) == 0:
        raise InputError("no episode was evaluated, so there is no accuracy; raise TEST.EPISODES")
    return Accuracy(*mean_and_interval(np.sort(table[:, 1] / table[:, 2])), len(table))


def mean_and_interval(shares: np.ndarray) -> tuple[float, float]:
    """Mean of the episodes' accuracies [n] and the half-width of its 95 % interval, see `Accuracy`."""
    return float(shares.mean()), float(Z95 * shares.std() / np.sqrt(len(shares)))
