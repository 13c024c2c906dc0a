"""The ladder of trivial baselines on the features and episodes of a test, their thresholds found on base classes.

Letters: B episodes, Q queries, H W picture size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from sccan.backbones.stage import Backbone
from sccan.episodes.episode import EpisodeSpec
from sccan.method import Method
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.evaluation.baselines import (
    AllForeground,
    Baseline,
    CopiedSupportMask,
    NearestVote,
    PriorBaseline,
    PrototypeCosine,
    PrototypeDifference,
    ScoreBaseline,
    SideBySide,
    Thresholded,
)
from sccan.segmentation.evaluation.iou import best_threshold, mean_iou_of_tested, rows_at_threshold

Source = TypeVar("Source")
Rows = Callable[[Tensor, Sequence[EpisodeSpec], Mapping[int, Picture]], Tensor]
"""Counts of a batch of outputs, one row per episode: `LogitScore`, `HistogramScore`."""
Evaluate = Callable[[Method, Source, Rows], Tensor]
"""Runs a method over a source of episodes and returns the rows of a score: the engine's evaluation, options bound."""


@dataclass(frozen=True)
class BaselineResult:
    """What one baseline scored.

    Attributes:
        name: what it does; the same on every fold.
        rows: rows (number, class, I_bg, I_fg, U_bg, U_fg) of every source, in the order of the sources.
        stage: the backbone's stages that were read, or None.
        threshold: the score above which a pixel is foreground, or None.
        base_miou: mIoU on the base-class episodes if threshold (and stage) were chosen there, else None.
    """

    name: str
    rows: tuple[Tensor, ...]
    stage: str | None = None
    threshold: float | None = None
    base_miou: float | None = None


@dataclass(frozen=True)
class TunedScore:
    """A score with the threshold that is best on base-class episodes, and its mIoU there."""

    scores: ScoreBaseline
    threshold: float
    base_miou: float


@dataclass(frozen=True)
class EachOutput:
    """A score applied to every part of the outputs of `SideBySide`; the rows stand side by side as well.

    Attributes:
        score: of the outputs of a single baseline.
        channels: channels of each baseline's outputs.
    """

    score: Rows
    channels: int

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        return torch.cat([self.score(part, specs, pictures) for part in outputs.split(self.channels, dim=2)], dim=1)


def compare_with_baselines(
    backbone: Backbone,
    evaluate: Evaluate[Source],
    *,
    base: Source,
    base_classes: Sequence[int],
    novel: Sequence[Source],
    score: Rows,
    histogram: Rows,
    prior_stage: str,
    cosine_stages: Sequence[str],
    rank: float = 0,
) -> list[BaselineResult]:
    """Scores all trivial baselines on the given episodes; nothing about novel classes enters any choice.

    Two passes for tuning and testing: every pass encodes its pictures once for all baselines.

    Args:
        backbone: frozen features, the same that the method under test looks at.
        evaluate: see `Evaluate`.
        base: episodes of base classes, for thresholds and for the stage of the cosine.
        base_classes: class numbers of these episodes.
        novel: the episodes to be scored, one source per seed.
        score: rows of two-channel predictions.
        histogram: rows of `count_scores` of score maps.
        prior_stage: stage that the prior mask is made of.
        cosine_stages: stages to choose from for the prototypes; cells are compared one with another at the prior's
            stage, or at all of these joined.
        rank: of positional debiasing, see `FrozenCells`.
    """
    joined = [tuple(cosine_stages)] if len(cosine_stages) > 1 else []
    kinds: dict[str, list[ScoreBaseline]] = {
        "prior mask": [PriorBaseline(backbone, prior_stage)],
        "prototype cosine": [PrototypeCosine(backbone, stage) for stage in cosine_stages],
        "prototype difference": [
            PrototypeDifference(backbone, *own, rank=rank) for own in [*((stage,) for stage in cosine_stages), *joined]
        ],
        "nearest vote": [NearestVote(backbone, *own) for own in [(prior_stage,), *joined]],
    }
    tuned = iter(tune([one for own in kinds.values() for one in own], evaluate, base, base_classes, histogram))
    best = {name: max((next(tuned) for _ in own), key=lambda found: found.base_miou) for name, own in kinds.items()}
    baselines: list[tuple[str, Baseline, TunedScore | None]] = [
        ("all foreground", AllForeground(), None),
        ("support mask copied", CopiedSupportMask(), None),
        ("prior mask", Thresholded(kinds["prior mask"][0], 0.5), None),
        *((f"{name}, tuned", Thresholded(own.scores, own.threshold), own) for name, own in best.items()),
    ]
    together = SideBySide([baseline for _, baseline, _ in baselines])
    parts = [evaluate(together, source, EachOutput(score, 2)).chunk(len(baselines), dim=1) for source in novel]
    return [
        BaselineResult(
            name,
            tuple(part[position] for part in parts),
            stage="+".join(baseline.stages) or None,
            threshold=baseline.threshold if isinstance(baseline, Thresholded) else None,
            base_miou=tuned.base_miou if tuned else None,
        )
        for position, (name, baseline, tuned) in enumerate(baselines)
    ]


def tune(
    scores: Sequence[ScoreBaseline], evaluate: Evaluate[Source], base: Source, classes: Sequence[int], histogram: Rows
) -> list[TunedScore]:
    """The best threshold of every score on base-class episodes, found in one pass over them."""

    def histogram_of_maps(outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        return histogram(outputs.squeeze(2), specs, pictures)  # [B, Q, H, W]

    rows = evaluate(SideBySide(scores), base, EachOutput(histogram_of_maps, 1))
    tuned = []
    for baseline, own in zip(scores, rows.chunk(len(scores), dim=1), strict=True):
        bins = (own.shape[1] - 2) // 2
        threshold = best_threshold(own, classes)
        base_miou = mean_iou_of_tested(rows_at_threshold(own, threshold), classes)
        tuned.append(TunedScore(baseline, threshold / bins, base_miou))
    return tuned
