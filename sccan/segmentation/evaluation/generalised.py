"""Generalised few-shot segmentation (GFSS): base and novel classes in one label image, as BAM tests it.

Labels of a picture: 0 background, 1 .. N - 1 the base classes in order, N the novel class of the episode; other novel
classes count as background, and 255 not at all.

Letters: B episodes, N base classes and background, H W size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.data.labels.masks import base_label_table
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation import iou
from sccan.segmentation.evaluation.scoring import Comparison
from sccan.segmentation.methods.all_answers import unstacked

TAU = 0.9
"""Probability above which the ensemble's foreground is believed, as published.

The ensemble's answer begins as probabilities, whose softmax stays below 0.74: novel pixels appear once training has
made its weights larger, so after a short training a smaller threshold is needed.
"""
LEAD = 2
"""Numbers before the counts in a row: episode and class."""

Merge = Callable[[Tensor, Tensor, float], Tensor]
"""Final answer [2, H, W], base logits [N, H, W] and threshold -> labels int64 [H, W]."""


def merge_final(final: Tensor, base: Tensor, tau: float = TAU) -> Tensor:
    """The novel class wherever the ensemble is sure of it, elsewhere what the base learner says."""
    return torch.where(_novel(final, tau), len(base), base.argmax(0))


def merge_base(final: Tensor, base: Tensor, tau: float = TAU) -> Tensor:
    """What the base learner says; the novel class where that is background and the ensemble is sure."""
    labels = base.argmax(0)
    return torch.where((labels == 0) & _novel(final, tau), len(base), labels)


MERGES: dict[str, Merge] = {"final": merge_final, "base": merge_base}


def _novel(final: Tensor, tau: float) -> Tensor:
    return final.float().softmax(0)[1] > tau


@dataclass(frozen=True)
class GeneralisedScore:
    """Rows (number, class, I_0 .. I_N, U_0 .. U_N) of a batch of stacked answers (`AllAnswers`).

    Attributes:
        comparison: where prediction and label meet.
        fold: base and novel classes.
        merge: a function of `MERGES`.
        tau: its threshold.
    """

    comparison: Comparison
    fold: Fold
    merge: Merge = merge_final
    tau: float = TAU

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        """int64 [B, 2 + 2 * (N + 1)] of outputs [B, 1, 4 + N, T, T]."""
        pairs = zip(outputs, specs, strict=True)
        return torch.stack([self._row(output[0], spec, pictures[spec.query[0][0]]) for output, spec in pairs])

    def _row(self, output: Tensor, spec: EpisodeSpec, picture: Picture) -> Tensor:
        final, base, target = self.compared(output, spec, picture)
        counts = self.counts(self.merge(final, base, self.tau), target)
        return torch.cat([counts.new_tensor([spec.number, spec.classes[0]]), counts])

    def compared(self, output: Tensor, spec: EpisodeSpec, picture: Picture) -> tuple[Tensor, Tensor, Tensor]:
        """Final answer [2, H, W], base logits [N, H, W] and target [H, W] at the size of the comparison."""
        label = picture.original_label
        maps = self.comparison.maps(output.float(), (label.shape[0], label.shape[1]))
        final, _, base = unstacked(maps)
        table = base_label_table(self.fold.base)
        table[spec.classes[0]] = len(self.fold.base) + 1
        return final, base, torch.from_numpy(table[self.comparison.labels(label)]).to(maps.device)

    def counts(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Intersections and unions of all labels, int64 [2 * (N + 1)]."""
        counts = iou.count_labels(prediction, target, len(self.fold.base) + 2)
        return torch.cat([counts.intersection, counts.union])


@dataclass(frozen=True)
class GeneralisedScores:
    """Scores of one list of episodes, in [0, 1].

    Attributes:
        per_class: IoU of every base and novel class, by class number.
        background: IoU of the background.
        novel, base, total: mean over the novel, the base and all classes, background left out.
        fb_iou: mean of the background's IoU and that of all other labels' counts together.
    """

    per_class: dict[int, float]
    background: float
    novel: float
    base: float
    total: float
    fb_iou: float


def generalised_scores(rows: Tensor, fold: Fold) -> GeneralisedScores:
    """Scores of rows [E, 2 + 2 * (N + 1)]; sums over all episodes, then divides.

    The last label is credited to the episode's novel class. A class that never occurs counts as 0 (published).
    """
    intersections, unions = rows[:, LEAD:].chunk(2, dim=1)  # [E, N + 1] each
    per_class = {
        number: _ratio(intersections[:, place], unions[:, place]) for place, number in enumerate(fold.base, start=1)
    }
    for number in fold.novel:
        own = rows[:, iou.CLASS] == number
        per_class[number] = _ratio(intersections[own, -1], unions[own, -1])
    background = _ratio(intersections[:, 0], unions[:, 0])
    foreground = _ratio(intersections[:, 1:], unions[:, 1:])
    return GeneralisedScores(
        per_class=dict(sorted(per_class.items())),
        background=background,
        novel=_mean([per_class[number] for number in fold.novel]),
        base=_mean([per_class[number] for number in fold.base]),
        total=_mean(list(per_class.values())),
        fb_iou=(background + foreground) / 2,
    )


def _ratio(intersection: Tensor, union: Tensor) -> float:
    return iou.epsilon_ratio(int(intersection.sum()), int(union.sum()))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
