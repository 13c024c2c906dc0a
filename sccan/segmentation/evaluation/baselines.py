"""Trivial baselines under the contract of every method, so that one evaluator scores them on the same episodes.

All foreground, the support mask copied onto the query, the prior mask alone, the cosine to the prototype, foreground
prototype against background prototype, nearest foreground cell against nearest background cell. All but the first two
give scores, whose thresholds and stages are chosen elsewhere (`ladder`). Without them a number of a trained method
means little.
Letters: B episodes, K shots, Q queries, C channels, H W picture size, h w map size, L = h * w cells.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.parts.cells import cell_masks, on_grid, prototype
from sccan.segmentation.parts.frozen_cells import FrozenCells
from sccan.segmentation.parts.matching import highest_cosine
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

    def __init__(self, backbone: Backbone, *stages: str) -> None:
        super().__init__(backbone, stages)
        self.stage = stages[0]

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


class CellBaseline(ScoreBaseline):
    """A difference of cosines with foreground and background cells of all supports; several stages are joined.

    What is no cosine difference in [-0.5, 0.5] is cut off; 0.5 is where foreground and background are equally near.
    """

    def __init__(self, backbone: Backbone, *stages: str, rank: float = 0) -> None:
        """
        Args:
            backbone: frozen features.
            stages: whose maps the cells are.
            rank: of positional debiasing, where a baseline asks for it.
        """
        super().__init__(backbone, *stages)
        self.cells = FrozenCells(backbone, stages, rank=rank)

    def scores(self, differences: Tensor, query: Features) -> Tensor:
        """[B, Q, 1, H, W] in [0, 1] of differences [B, Q, L]."""
        return resize(on_grid((0.5 + differences).clamp(0, 1), self.cells.grid(query)), query.image_size)


class PrototypeDifference(CellBaseline):
    """Cosine with the mean foreground cell less the cosine with the mean background cell, without positions."""

    def condition(self, support: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        cells = self.cells.debiased(self.cells.unit(support), support)
        masks = cell_masks(labels, self.cells.grid(support))
        return prototype(cells, masks.foreground), prototype(cells, masks.background)  # [B, M] each

    def predict(self, query: Features, state: tuple[Tensor, Tensor]) -> Tensor:
        cells = self.cells.debiased(self.cells.unit(query), query)  # [B, Q, L, M]
        foreground, background = ((cells @ some[:, None, :, None]).squeeze(-1) for some in state)
        return self.scores(foreground - background, query)


class NearestVote(CellBaseline):
    """Highest cosine with any foreground cell less the highest with any background cell."""

    def condition(self, support: Features, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        cells = self.cells.unit(support)  # [B, K, L, C]
        masks = cell_masks(labels, self.cells.grid(support))
        return [
            (own[inside], own[outside])
            for own, inside, outside in zip(cells, masks.foreground, masks.background, strict=True)
        ]

    def predict(self, query: Features, state: list[tuple[Tensor, Tensor]]) -> Tensor:
        cells = self.cells.unit(query).flatten(1, 2)  # [B, Q * L, C]
        differences = [
            highest_cosine(own, front) - highest_cosine(own, back)
            for own, (front, back) in zip(cells, state, strict=True)
        ]
        return self.scores(torch.stack(differences).unflatten(1, (query.maps[self.stage].shape[1], -1)), query)


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
