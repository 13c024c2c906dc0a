"""Scores of segmentation: pure functions of integer counts, so that any number of processes give the same digits.

One row per episode: (number, class, I_bg, I_fg, U_bg, U_fg), int64. Few-shot mIoU sums intersections and unions per
class over all episodes, then divides.
Letters: E episodes, K labels, T thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sccan.episodes.index import IGNORE

EPSILON = 1e-10
"""Added to every union, as in the published code; a class that never occurs scores 0."""
NUMBER, CLASS, I_BACKGROUND, I_FOREGROUND, U_BACKGROUND, U_FOREGROUND = range(6)


@dataclass(frozen=True)
class Counts:
    """Pixels per label: predicted and true at once, predicted or true, true; int64 [K] each."""

    intersection: Tensor
    union: Tensor
    target: Tensor

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.intersection + other.intersection, self.union + other.union, self.target + other.target)


def count_labels(prediction: Tensor, target: Tensor, n_labels: int) -> Counts:
    """Counts of labels 0..n_labels - 1 over the pixels whose target is not 255; nothing of it waits for a GPU.

    Args:
        prediction: labels of any shape, integers.
        target: likewise, with 255 where a pixel does not count.

    Raises ValueError: the shapes differ, or (seen on a CPU alone) a counted label is not below `n_labels`.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape")
    counted = target != IGNORE
    if target.device.type == "cpu" and bool((counted & ((prediction >= n_labels) | (target >= n_labels))).any()):
        raise ValueError(f"a label is not below {n_labels}; expected labels 0 to {n_labels - 1} and 255 in the target")
    # What does not count falls behind the last pair of labels.
    place = torch.where(counted, target.long() * n_labels + prediction.long(), n_labels**2).flatten()
    pairs = torch.zeros(n_labels**2 + 1, dtype=torch.int64, device=place.device)
    pairs.scatter_add_(0, place, torch.ones_like(place))
    confusion = pairs[:-1].view(n_labels, n_labels)  # rows: true, columns: predicted
    intersection = confusion.diagonal().clone()
    return Counts(intersection, confusion.sum(0) + confusion.sum(1) - intersection, confusion.sum(1))


def episode_row(number: int, class_number: int, prediction: Tensor, target: Tensor) -> Tensor:
    """The row of one episode, int64 [6]; nothing of it waits for the device.

    Args:
        prediction: in {0, 1}, any shape.
        target: in {0, 1, 255}, the same shape.

    Raises ValueError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape")
    counted, true = target != IGNORE, target == 1
    predicted = (prediction == 1) & counted
    either, both = predicted | true, predicted & true
    counts = torch.stack([(counted & ~either).sum(), both.sum(), (counted & ~both).sum(), either.sum()])
    return torch.cat([torch.tensor([number, class_number], device=counts.device), counts])


@dataclass(frozen=True)
class ClassScore:
    """IoU of a class, and the number of episodes it was measured in."""

    iou: float
    episodes: int


Ratio = Callable[[int, int], float]
"""An IoU from an intersection and a union, in pixels."""


def epsilon_ratio(intersection: int, union: int) -> float:
    """I / (U + 1e-10), as PFENet, BAM and SCCAN compute it."""
    return intersection / (union + EPSILON)


def at_least_one_ratio(intersection: int, union: int) -> float:
    """I / max(U, 1), as HSNet computes it."""
    return intersection / max(union, 1)


RATIOS: dict[str, Ratio] = {"epsilon": epsilon_ratio, "at_least_one": at_least_one_ratio}


def class_scores(rows: Tensor, classes: Sequence[int], ratio: Ratio = epsilon_ratio) -> dict[int, ClassScore]:
    """Foreground IoU of every class over its episodes; 0 for a class without episodes.

    Args:
        rows: [E, 6].
        classes: class numbers of the fold.
        ratio: one of `RATIOS`.
    """
    scores = {}
    for number in classes:
        own = rows[rows[:, CLASS] == number]
        scores[number] = ClassScore(_ratio(own[:, I_FOREGROUND], own[:, U_FOREGROUND], ratio), len(own))
    return scores


def mean_iou(rows: Tensor, classes: Sequence[int], ratio: Ratio = epsilon_ratio) -> float:
    """Published mIoU: the plain mean over all classes of the fold; one without episodes counts as 0."""
    scores = class_scores(rows, classes, ratio)
    return sum(score.iou for score in scores.values()) / len(scores)


def mean_iou_of_tested(rows: Tensor, classes: Sequence[int]) -> float:
    """Mean over the classes that have episodes; `nan` if none has."""
    scores = [score.iou for score in class_scores(rows, classes).values() if score.episodes]
    return sum(scores) / len(scores) if scores else math.nan


def foreground_iou(rows: Tensor, ratio: Ratio = epsilon_ratio) -> float:
    """IoU of the foreground over all episodes together, whatever their class ("pIoU" in published logs)."""
    return _ratio(rows[:, I_FOREGROUND], rows[:, U_FOREGROUND], ratio)


def background_iou(rows: Tensor, ratio: Ratio = epsilon_ratio) -> float:
    """IoU of the background over all episodes together."""
    return _ratio(rows[:, I_BACKGROUND], rows[:, U_BACKGROUND], ratio)


def fb_iou(rows: Tensor, ratio: Ratio = epsilon_ratio) -> float:
    """FB-IoU: mean of foreground and background IoU, each over all episodes together."""
    return (foreground_iou(rows, ratio) + background_iou(rows, ratio)) / 2


def episode_iou(rows: Tensor) -> Tensor:
    """Foreground IoU of every episode on its own, float64 [E]; for ranking pictures, not for scores."""
    return rows[:, I_FOREGROUND].double() / (rows[:, U_FOREGROUND].double() + EPSILON)


def label_iou(counts: Counts) -> Tensor:
    """IoU per label, float64 [K]; for pixel classifiers."""
    return counts.intersection.double() / (counts.union.double() + EPSILON)


def pixel_accuracy(counts: Counts) -> float:
    """Share of counted pixels with the right label."""
    return int(counts.intersection.sum()) / (int(counts.target.sum()) + EPSILON)


def _ratio(intersection: Tensor, union: Tensor, ratio: Ratio) -> float:
    return ratio(int(intersection.sum()), int(union.sum()))


# Thresholds on a score map


def count_scores(number: int, class_number: int, scores: Tensor, target: Tensor, bins: int) -> Tensor:
    """How scores are distributed over background and foreground, int64 [2 + 2 * bins]: number, class, bg, fg bins.

    From it follow the counts at every threshold j / bins, without keeping the maps.

    Args:
        scores: in [0, 1], any shape.
        target: in {0, 1, 255}, the same shape.
    """
    counted = target != IGNORE
    binned = (scores[counted].double() * bins).floor().long().clamp(0, bins - 1)
    histogram = torch.bincount(binned + bins * target[counted].long(), minlength=2 * bins)
    return torch.cat([histogram.new_tensor([number, class_number]), histogram])


def rows_at_threshold(score_rows: Tensor, threshold: int) -> Tensor:
    """Rows [E, 6] of predicting foreground where the score is at least `threshold` / bins.

    Args:
        score_rows: rows of `count_scores`, [E, 2 + 2 * bins].
        threshold: from 0 (everything is foreground) to bins (nothing is, but for the last bin's upper edge).
    """
    background, foreground = score_rows[:, 2:].chunk(2, dim=1)
    i_background, i_foreground = background[:, :threshold].sum(1), foreground[:, threshold:].sum(1)
    u_background = background.sum(1) + foreground[:, :threshold].sum(1)
    u_foreground = foreground.sum(1) + background[:, threshold:].sum(1)
    parts = (score_rows[:, 0], score_rows[:, 1], i_background, i_foreground, u_background, u_foreground)
    return torch.stack(parts, dim=1)


def best_threshold(score_rows: Tensor, classes: Sequence[int]) -> int:
    """The threshold (in bins) of the largest mIoU over the classes that have episodes; the smallest such."""
    bins = (score_rows.shape[1] - 2) // 2
    values = [mean_iou_of_tested(rows_at_threshold(score_rows, threshold), classes) for threshold in range(bins + 1)]
    return max(range(bins + 1), key=lambda threshold: values[threshold])


# Intervals


@dataclass(frozen=True)
class Interval:
    """Mean of repeated measurements and half the width of its 95 % confidence interval (`nan` for a single one)."""

    mean: float
    half_width: float
    values: tuple[float, ...]


STUDENT_T = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""97.5 % quantile of Student's t for 1 to 30 degrees of freedom."""
NORMAL = 1.959964


def student_t(freedom: int) -> float:
    """97.5 % quantile of Student's t distribution; beyond the table by its expansion around the normal one."""
    if freedom <= len(STUDENT_T):
        return STUDENT_T[freedom - 1]
    z = NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def confidence_interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval (Student's t) of a score over seeds.

    Raises ValueError: there are no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Interval(mean, math.nan, tuple(values))
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Interval(mean, student_t(n - 1) * deviation / math.sqrt(n), tuple(values))
