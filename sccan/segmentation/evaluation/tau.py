"""A threshold for the generalised test, chosen on base classes: groups of them are treated as if they were novel.

The published threshold of 0.9 fits a long training; after a short one no pixel passes it. Here the base learner
forgets a group of base classes, as large as the fold's novel part, and the generalised test runs on pictures without
novel classes with that group as the novel one. No picture of a novel class is looked at.

Letters: B episodes, N base classes and background, T thresholds, E episodes of a test.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation.generalised import LEAD, GeneralisedScore, Merge, generalised_scores
from sccan.segmentation.evaluation.scoring import Comparison
from sccan.segmentation.methods.bam import BAM

GRID = tuple(step / 50 for step in range(15, 50))
"""Thresholds that are tried."""


def pretended_folds(fold: Fold, counts: np.ndarray, n_shot: int) -> list[Fold]:
    """The base classes cut into groups of the novel part's size, each the novel part of a fold without the real one.

    Args:
        fold: the real one.
        counts: pictures of every class among those that may serve, by class number.
        n_shot: supports per episode; classes with too few pictures are base in all groups.
    """
    enough = [number for number in fold.base if counts[number] > n_shot]
    n_groups = max(len(fold.base) // len(fold.novel), 2)
    groups = [tuple(enough[first::n_groups]) for first in range(n_groups)]
    return [
        Fold(fold.number, tuple(number for number in fold.base if number not in group), group)
        for group in groups
        if group
    ]


def forgetting(method: BAM, base: Sequence[int]) -> BAM:
    """A copy of the method whose base learner knows no classes but these.

    Args:
        base: class numbers, ascending, a part of the method's own.
    """
    changed = copy.deepcopy(method)
    kept = [0] + [place for place, number in enumerate(method.base_classes.tolist(), start=1) if number in base]
    classify = changed.base_head.get_submodule("classify")
    assert isinstance(classify, nn.Sequential)
    last = classify[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    last.weight = nn.Parameter(last.weight[kept], requires_grad=False)
    last.bias = nn.Parameter(last.bias[kept], requires_grad=False)
    changed.base_classes = method.base_classes.new_tensor(list(base))
    return changed


@dataclass(frozen=True)
class ThresholdScore:
    """The rows of `GeneralisedScore` for many thresholds side by side: number, class, then counts per threshold.

    Attributes:
        comparison, fold, merge: of `GeneralisedScore`.
        grid: T thresholds.
    """

    comparison: Comparison
    fold: Fold
    merge: Merge
    grid: tuple[float, ...] = GRID

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        """int64 [B, 2 + T * 2 * (N + 1)] of stacked answers [B, 1, 4 + N, H, W]."""
        pairs = zip(outputs, specs, strict=True)
        return torch.stack([self._row(output[0], spec, pictures[spec.query[0][0]]) for output, spec in pairs])

    def _row(self, output: Tensor, spec: EpisodeSpec, picture: Picture) -> Tensor:
        score = GeneralisedScore(self.comparison, self.fold)
        final, base, target = score.compared(output, spec, picture)
        counts = [score.counts(self.merge(final, base, tau), target) for tau in self.grid]
        return torch.cat([counts[0].new_tensor([spec.number, spec.classes[0]]), *counts])

    def balances(self, rows: Tensor) -> list[float]:
        """Mean of novel and base IoU for every threshold, of rows [E, 2 + T * 2 * (N + 1)]."""
        found = []
        for counts in rows[:, LEAD:].chunk(len(self.grid), dim=1):
            scores = generalised_scores(torch.cat([rows[:, :LEAD], counts], dim=1), self.fold)
            found.append((scores.novel + scores.base) / 2)
        return found


def best_tau(balances: Sequence[Sequence[float]], grid: Sequence[float] = GRID) -> float:
    """The threshold with the largest mean over the groups; of several the largest, which believes least.

    Args:
        balances: of every group, for every threshold.
    """
    means = [sum(own) / len(own) for own in zip(*balances, strict=True)]
    return max(zip(means, grid, strict=True))[1]
