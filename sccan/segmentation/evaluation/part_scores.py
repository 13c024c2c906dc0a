"""Scores of BAM's two learners beside their ensemble, from one evaluation of all three answers.

Letters: B episodes, N base classes and background, E episodes of a test, T side of the network's input, H W size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.data.labels.masks import base_label_table
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation import iou
from sccan.segmentation.evaluation.scoring import Comparison, LogitScore
from sccan.segmentation.methods.all_answers import unstacked

ROW = 6
"""Numbers of an ordinary row: episode, class and four counts."""


@dataclass(frozen=True)
class PartScore:
    """Rows of a batch of stacked answers (`AllAnswers`): the ensemble's row, the meta learner's, the base learner's.

    The first six numbers are those that `LogitScore` gives for the ensemble alone. The base learner is scored against
    the label of all base classes, novel classes being background, as BAM tests it.

    Attributes:
        comparison: where prediction and label meet.
        fold: base and novel classes.
    """

    comparison: Comparison
    fold: Fold

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        """
        Args:
            outputs: stacked answers, [B, 1, 4 + N, T, T].
            specs: the B episodes.
            pictures: their query pictures, by number.

        Returns:
            int64 [B, 10 + 3 N]: number, class, four counts of the ensemble, four of the meta learner, and
            intersection, union and true pixels of every label of the base learner.
        """
        final, meta, base = unstacked(outputs)
        score = LogitScore(self.comparison)
        learners = torch.stack(
            [self._base(maps[0], pictures[spec.query[0][0]]) for maps, spec in zip(base, specs, strict=True)]
        )
        return torch.cat([score(final, specs, pictures), score(meta, specs, pictures)[:, 2:], learners], dim=1)

    def _base(self, logits: Tensor, picture: Picture) -> Tensor:
        """Counts [3 N] of base logits [N, T, T]."""
        height, width = picture.original_label.shape
        logits = logits.float()
        labels = _possible_labels(logits)
        prediction = labels[self.comparison.maps(logits[labels], (height, width)).max(0).indices]
        label = base_label_table(self.fold.base)[self.comparison.labels(picture.original_label)]
        target = torch.from_numpy(label).to(prediction.device)
        counts = iou.count_labels(prediction, target, len(self.fold.base) + 1)
        return torch.cat([counts.intersection, counts.union, counts.target])


def _possible_labels(logits: Tensor) -> Tensor:
    """Background, and every label that is above it anywhere in logits [N, T, T].

    The others are nowhere above it between the cells either: most maps of many classes need not be brought to the
    picture's size. On devices whose answer would have to be waited for, all labels.
    """
    if logits.device.type != "cpu":
        return torch.arange(len(logits), device=logits.device)
    possible = (logits > logits[:1]).flatten(1).any(1)
    possible[0] = True
    return possible.nonzero()[:, 0]


def final_rows(rows: Tensor) -> Tensor:
    """The ensemble's rows [E, 6] of rows [E, 10 + 3 N]."""
    return rows[:, :ROW]


def meta_rows(rows: Tensor) -> Tensor:
    """The meta learner's rows [E, 6] of rows [E, 10 + 3 N]."""
    return torch.cat([rows[:, :2], rows[:, ROW : ROW + 4]], dim=1)


def base_miou(rows: Tensor) -> float | None:
    """Mean IoU of the base classes that occur in the queries, of rows [E, 10 + 3 N]; None where none does."""
    intersection, union, target = rows[:, ROW + 4 :].sum(0).chunk(3)
    per_label = iou.label_iou(iou.Counts(intersection, union, target))
    occurs = target[1:] > 0
    return float(per_label[1:][occurs].mean()) if occurs.any() else None
