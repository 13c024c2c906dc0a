"""From rows of counts to the plain numbers that reports are made of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.report.results import BaselineOutcome, ClassOutcome, EpisodeOutcome, PartOutcome, SeedOutcome, Spread
from sccan.segmentation.evaluation import iou, part_scores
from sccan.segmentation.evaluation.ladder import BaselineResult


def seed_outcome(
    rows: Tensor,
    specs: Sequence[EpisodeSpec],
    index: ClassIndex,
    classes: Sequence[int],
    *,
    seed: int,
    manifest: str,
    ratio: iou.Ratio = iou.epsilon_ratio,
) -> SeedOutcome:
    """All scores of one seed.

    Args:
        rows: [E, 6], in the order of `specs`.
        classes: class numbers that the mean is taken over; one without episodes counts as 0.
        manifest: hash of the episodes.
        ratio: what an IoU is, one of `iou.RATIOS`.
    """
    scores = iou.class_scores(rows, classes, ratio)
    per_class = [
        ClassOutcome(number, index.class_names[number - 1], score.iou, score.episodes)
        for number, score in scores.items()
    ]
    episodes = [
        EpisodeOutcome(
            spec.number,
            spec.classes[0],
            index.names[spec.query[0][0]],
            tuple(index.names[picture] for picture in spec.support[0]),
            int(row[iou.I_FOREGROUND]),
            int(row[iou.U_FOREGROUND]),
        )
        for spec, row in zip(specs, rows, strict=True)
    ]
    miou, fb_iou = iou.mean_iou(rows, classes, ratio), iou.fb_iou(rows, ratio)
    return SeedOutcome(seed, manifest, miou, fb_iou, per_class, episodes)


def baseline_outcome(
    result: BaselineResult, classes: Sequence[int], ratio: iou.Ratio = iou.epsilon_ratio
) -> BaselineOutcome:
    """A baseline's means over the seeds; the arguments are those of `seed_outcome`."""
    return BaselineOutcome(
        result.name,
        spread([iou.mean_iou(rows, classes, ratio) for rows in result.rows]),
        spread([iou.fb_iou(rows, ratio) for rows in result.rows]),
        stage=result.stage,
        threshold=result.threshold,
    )


def part_outcomes(
    seeds: Sequence[Tensor], classes: Sequence[int], ratio: iou.Ratio = iou.epsilon_ratio
) -> list[PartOutcome]:
    """BAM's learners on their own.

    Args:
        seeds: rows of `PartScore`, [E, 10 + 3 N], for every seed.
        classes, ratio: of `seed_outcome`, for the meta learner.
    """
    meta = [part_scores.meta_rows(rows) for rows in seeds]
    found = [
        PartOutcome(
            "meta learner alone",
            "novel classes",
            spread([iou.mean_iou(rows, classes, ratio) for rows in meta]),
            spread([iou.fb_iou(rows, ratio) for rows in meta]),
        )
    ]
    base = [score for rows in seeds if (score := part_scores.base_miou(rows)) is not None]
    if base:
        words = "base classes in the query pictures; novel ones are background"
        found.append(PartOutcome("base learner alone", words, spread(base)))
    return found


def spread(values: Sequence[float]) -> Spread:
    """Mean and half-width of the 95 % interval over seeds."""
    interval = iou.confidence_interval(values)
    return Spread(interval.mean, interval.half_width)
