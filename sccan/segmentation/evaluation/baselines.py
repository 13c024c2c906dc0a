"""Trivial baselines under the contract of every method, so that one evaluator scores them on the same episodes.

All foreground, the support mask copied onto the query, the prior mask alone and the cosine to the prototype. The last
two give scores; their thresholds, and the stage of the cosine, are chosen on episodes of base classes. Without them a
number of a trained method means little.
Letters: B episodes, K shots, Q queries, C channels, H W picture size, h w map size, S score maps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.method import Method
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.evaluation.iou import best_threshold, mean_iou_of_tested, rows_at_threshold
from sccan.segmentation.parts.prior import PriorSupport, prior_support, softmax_prior
from sccan.segmentation.parts.prototypes import masked_average_pooling
from sccan.segmentation.parts.resize import resize


class Baseline(Method):
    """A method without parameters of its own; subclasses say what `condition` and `predict` do.

    Attributes:
        backbone: frozen features, or None where none are looked at.
        stages: names of the backbone's stages that are read.
    """

    def __init__(self, backbone: Backbone | None = None, stages: Sequence[str] = ()) -> None:
        super().__init__()
        self.backbone, self.stages = backbone, tuple(stages)
        unknown = set(self.stages) - set(backbone.stages if backbone else ())
        if unknown:
            raise ValueError(f"stages {sorted(unknown)} are not among {list(backbone.stages) if backbone else []}")

    def encode(self, images: Tensor) -> Features:
        """The stages that are read; a single empty cell per picture where there are none."""
        size = (images.shape[-2], images.shape[-1])
        if self.backbone is None or not self.stages:
            return Features({"none": images.new_zeros(len(images), 1, 1, 1)}, size)
        with torch.no_grad():
            maps = self.backbone(images)
        return Features({stage: maps[stage] for stage in self.stages}, size)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        """Raises ValueError: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} has nothing to train")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {}


class AllForeground(Baseline):
    """Every pixel of every query is foreground."""

    def condition(self, support: Features, labels: Tensor) -> Any:
        return None

    def predict(self, query: Features, state: Any) -> Tensor:
        some_map = next(iter(query.maps.values()))  # [B, Q, C, h, w]
        ones = some_map.new_ones(*some_map.shape[:2], 1, *query.image_size)
        return two_channels(ones, 0.5)


class CopiedSupportMask(Baseline):
    """The support masks laid over the query: foreground where more than half of them have it.

    Masks and query are compared as the network sees them, so they lie on the same canvas.
    """

    def condition(self, support: Features, labels: Tensor) -> Tensor:
        return (labels == 1).float().mean(1, keepdim=True)  # [B, 1, H, W]

    def predict(self, query: Features, state: Tensor) -> Tensor:
        queries = next(iter(query.maps.values())).shape[1]
        share = resize(state.unsqueeze(1), query.image_size)  # [B, 1, 1, H, W]
        return two_channels(share.expand(-1, queries, -1, -1, -1), 0.5)


class ScoreBaseline(Baseline):
    """A baseline whose `predict` gives a foreground score in [0, 1], [B, Q, 1, H, W], instead of two logits.

    `Thresholded` makes an ordinary predictor of it.
    """

    def __init__(self, backbone: Backbone, stage: str) -> None:
        super().__init__(backbone, (stage,))
        self.stage = stage

    @abstractmethod
    def predict(self, query: Features, state: Any) -> Tensor: ...


class PriorBaseline(ScoreBaseline):
    """SCCAN's prior mask as the prediction, at the resolution of the backbone's map.

    Inside SCCAN the support goes to the working grid first; here it keeps its own size.
    """

    def condition(self, support: Features, labels: Tensor) -> PriorSupport:
        features = support.maps[self.stage]
        return prior_support(features, soft_masks(labels, features))

    def predict(self, query: Features, state: PriorSupport) -> Tensor:
        prior = softmax_prior(query.maps[self.stage], state).mean(2, keepdim=True)  # [B, Q, 1, h, w]
        return resize(prior, query.image_size)


class PrototypeCosine(ScoreBaseline):
    """Cosine of every query position with the masked average of the support features, negative values cut off.

    Over shots the prototypes are averaged, as in SCCAN.
    """

    def condition(self, support: Features, labels: Tensor) -> Tensor:
        features = support.maps[self.stage]
        return masked_average_pooling(features, soft_masks(labels, features)).mean(1)  # [B, C]

    def predict(self, query: Features, state: Tensor) -> Tensor:
        cosine = F.cosine_similarity(query.maps[self.stage], state[:, None, :, None, None], dim=2)  # [B, Q, h, w]
        return resize(cosine.clamp(0, 1).unsqueeze(2), query.image_size)


class Thresholded(Baseline):
    """A score and a threshold as an ordinary predictor with two channels."""

    def __init__(self, scores: ScoreBaseline, threshold: float) -> None:
        super().__init__(scores.backbone, scores.stages)
        self.scores, self.threshold = scores, threshold

    def condition(self, support: Features, labels: Tensor) -> Any:
        return self.scores.condition(support, labels)

    def predict(self, query: Features, state: Any) -> Tensor:
        return two_channels(self.scores.predict(query, state), self.threshold)


class SideBySide(Baseline):
    """Several baselines in one pass over the episodes: the pictures are encoded once, the outputs lie in one tensor.

    `predict` concatenates the outputs along the channels; `score_each` takes them apart again.
    """

    def __init__(self, baselines: Sequence[Baseline]) -> None:
        backbones = [baseline.backbone for baseline in baselines if baseline.backbone is not None]
        if any(backbone is not backbones[0] for backbone in backbones):
            raise ValueError("baselines that run side by side share one backbone")
        stages = dict.fromkeys(stage for baseline in baselines for stage in baseline.stages)
        super().__init__(backbones[0] if backbones else None, tuple(stages))
        self.baselines = nn.ModuleList(baselines)

    def condition(self, support: Features, labels: Tensor) -> list[Any]:
        return [baseline.condition(support, labels) for baseline in self._each()]

    def predict(self, query: Features, state: list[Any]) -> Tensor:
        outputs = [baseline.predict(query, own) for baseline, own in zip(self._each(), state, strict=True)]
        return torch.cat(outputs, dim=2)

    def _each(self) -> list[Baseline]:
        return [module for module in self.baselines if isinstance(module, Baseline)]


def two_channels(scores: Tensor, threshold: float) -> Tensor:
    """Logits [..., 2, H, W] whose arg max is foreground where scores [..., 1, H, W] exceed the threshold.

    The background's channel is zero, and interpolation is linear: after any resize of the logits, foreground is where
    the resized score exceeds the threshold.
    """
    return torch.cat([torch.zeros_like(scores), scores - threshold], dim=-3)


def soft_masks(labels: Tensor, features: Tensor) -> Tensor:
    """Support masks at the size of a map: foreground weights with soft borders; 255 counts as background.

    Args:
        labels: [B, K, H, W] in {0, 1, 255}.
        features: [B, K, C, h, w].

    Returns:
        [B, K, 1, h, w] in [0, 1].
    """
    return resize((labels == 1).float().unsqueeze(2), (features.shape[-2], features.shape[-1]))


# Comparison

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
        stage: the backbone's stage that was read, or None.
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
        cosine_stages: stages to choose from for the cosine to the prototype.
    """
    prior = PriorBaseline(backbone, prior_stage)
    cosines = [PrototypeCosine(backbone, stage) for stage in cosine_stages]
    tuned_prior, *tuned_cosines = tune([prior, *cosines], evaluate, base, base_classes, histogram)
    tuned_cosine = max(tuned_cosines, key=lambda tuned: tuned.base_miou)
    baselines: list[tuple[str, Baseline, TunedScore | None]] = [
        ("all foreground", AllForeground(), None),
        ("support mask copied", CopiedSupportMask(), None),
        ("prior mask", Thresholded(prior, 0.5), None),
        ("prior mask, tuned", Thresholded(prior, tuned_prior.threshold), tuned_prior),
        ("prototype cosine, tuned", Thresholded(tuned_cosine.scores, tuned_cosine.threshold), tuned_cosine),
    ]
    together = SideBySide([baseline for _, baseline, _ in baselines])
    parts = [evaluate(together, source, EachOutput(score, 2)).chunk(len(baselines), dim=1) for source in novel]
    return [
        BaselineResult(
            name,
            tuple(part[position] for part in parts),
            stage=baseline.stages[0] if baseline.stages else None,
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
