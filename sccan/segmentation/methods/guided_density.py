"""Density ratios of frozen cells, drawn along the picture's colours and cut where the examples say: our default.

Nothing is trained. The ratio is FROST's (Park, 2026, arXiv 2606.31136) with a narrow kernel and half of the
foreground's odds, without its whitening, candidates and smoothing; the way to pixels is the guided filter of He, Sun
and Tang. What no setting can know is read off the examples: how wide the filter's windows may be, and where to cut.

Letters: B episodes, K examples, Q queries, A anchors, C channels, H W picture size, h w grid, L = h * w cells, T cuts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.pixels import denormalize
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.segmentation.methods.training_free import CERTAIN, TrainingFreeMethod
from sccan.segmentation.parts.cells import CellMasks, cell_masks
from sccan.segmentation.parts.cuts import ious_of_cuts
from sccan.segmentation.parts.density import kernel_sum, log_ratio
from sccan.segmentation.parts.guided import guided
from sccan.segmentation.parts.thickness import thickness

PICTURE = "picture"
"""Name of the small picture among the features."""
LARGE, SMALL = 2, 4
"""Pixels of the input per pixel of the picture that masks follow, and per cell on which the filter is found."""
SOFT = 5.0
"""Log ratios are squashed before they are filtered, tanh(l / 5), so that certain cells do not outshout the others."""
MOST_ANCHORS = 4096
"""Cells that are kept of the foreground, and of the background; of more, evenly many are left out."""
MOST_LEFT_OUT = 8
"""Examples that are left out in turn."""
CUTS = tuple(number / 20 for number in range(-10, 11))
"""Squashed scores at which masks may be cut."""
DOUBT = 0.05
"""What a cut must gain in IoU, per distance from 0."""


@dataclass(frozen=True)
class Anchors:
    """Cells of examples.

    Attributes:
        foreground: of length one, [A, C].
        background: of length one, [A, C].
        log_odds: of the foreground among all cells of the examples that show it, kept or not.
    """

    foreground: Tensor
    background: Tensor
    log_odds: float


@dataclass(frozen=True)
class GuidedDensityEpisode:
    """What is kept of one support set.

    Attributes:
        anchors: what cells are compared with.
        radius: of the filter's windows, in its cells.
        cut: squashed score above which a pixel is foreground.
    """

    anchors: Anchors
    radius: int
    cut: float


class GuidedDensity(TrainingFreeMethod):
    """How much nearer a cell lies to the foreground's cells than to the background's, guided to pixels.

    With several examples each is left out in turn, and window and cut are those with which the others find it best;
    a single one says how thick its object is, and the cut stays at equal evidence.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        stages: Sequence[str],
        rank: float = 0,
        sigma: float = 0.03,
        odds_weight: float = 0.5,
        radii: Sequence[int] = (1, 2, 3, 4),
        radius_share: float = 0.4,
        regularity: float = 1e-3,
    ) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells.
            rank: see `TrainingFreeMethod`.
            sigma: width of the kernel of cosines.
            odds_weight: of the log of the foreground's odds among the examples' cells.
            radii: of the filter's windows to choose from, in cells of 4 pixels; 0 leaves the scores as they are.
            radius_share: radius over the thickness of a single example's object.
            regularity: of the filter, a variance of colours in [0, 1].

        Raises InputError: see `TrainingFreeMethod`, or a number is out of range.
        """
        super().__init__(backbone, stages, rank=rank)
        if not radii or min(radii) < 0 or min(sigma, regularity, radius_share) <= 0:
            raise InputError(
                f"guided_density was given sigma {sigma}, radii {list(radii)}, radius share {radius_share} and "
                f"regularity {regularity}; expected at least one radius from 0, and numbers above 0"
            )
        self.sigma, self.odds_weight = sigma, odds_weight
        self.radii, self.radius_share, self.regularity = tuple(sorted(radii)), radius_share, regularity

    @property
    def learns_from_absence(self) -> bool:
        return True

    def beside(self, features: Features, images: Tensor) -> dict[str, Tensor]:
        return {PICTURE: denormalize(F.avg_pool2d(images, LARGE, ceil_mode=True)).div_(255).clamp_(0, 1)}

    def condition(self, support: Features, labels: Tensor) -> tuple[GuidedDensityEpisode, ...]:
        """One entry per episode."""
        with torch.no_grad(), torch.autocast(labels.device.type, enabled=False):
            cells = self.cells.debiased(self.cells.unit(support), support)  # [B, K, L, C]
            grid, pictures = self.cells.grid(support), support.maps[PICTURE]
            masks = cell_masks(labels, grid)
            return tuple(
                self._conditioned(
                    cells[b], CellMasks(masks.foreground[b], masks.background[b]), grid, pictures[b], labels[b]
                )
                for b in range(len(cells))
            )

    def predict(self, query: Features, state: tuple[GuidedDensityEpisode, ...]) -> Tensor:
        grid = self.cells.grid(query)
        with torch.no_grad(), torch.autocast(query.maps[PICTURE].device.type, enabled=False):
            cells = self.cells.debiased(self.cells.unit(query), query)  # [B, Q, L, C]
            rows = []
            for kept, own, pictures in zip(state, cells, query.maps[PICTURE].float(), strict=True):
                ratios = torch.stack([self._log_ratio(one, kept.anchors) for one in own])
                rows.append(SOFT * (self._guided(ratios, grid, pictures, kept.radius) - kept.cut))
            margins = F.interpolate(torch.stack(rows), query.image_size, mode="bilinear", align_corners=False)
            return torch.stack([torch.zeros_like(margins), margins], dim=2)  # [B, Q, 2, H, W]

    def _conditioned(
        self, cells: Tensor, masks: CellMasks, grid: tuple[int, int], pictures: Tensor, labels: Tensor
    ) -> GuidedDensityEpisode:
        """What is kept of one support set: cells [K, L, C], masks [K, L], pictures [K, 3, ...], labels [K, H, W]."""
        showing = masks.foreground.any(1).nonzero().flatten().tolist()
        if len(showing) < 2:
            radius, cut = self._radius_of_thickness(labels), 0.0
        else:
            chosen = showing[:MOST_LEFT_OUT]
            ratios = torch.stack([self._log_ratio(cells[left], _anchors(cells, masks, left)) for left in chosen])
            radius, cut = self._best(ratios, grid, pictures[chosen].float(), labels[chosen])
        return GuidedDensityEpisode(_anchors(cells, masks), radius, cut)

    def _radius_of_thickness(self, labels: Tensor) -> int:
        """The radius that fits examples' objects; the smallest without any."""
        thick = [found for one in labels if (found := thickness((one == 1).cpu().numpy()))] or [0.0]
        wanted = self.radius_share * sum(thick) / len(thick) / SMALL
        return min(self.radii, key=lambda radius: abs(radius - wanted))

    def _best(self, ratios: Tensor, grid: tuple[int, int], pictures: Tensor, labels: Tensor) -> tuple[int, float]:
        """Radius and cut with which pictures of known labels [n, H, W] are found best from log ratios [n, L]."""
        wanted = F.interpolate(labels[:, None].float(), pictures.shape[-2:], mode="nearest")[:, 0]
        cuts = torch.tensor(CUTS, device=ratios.device)
        best = -math.inf, 0, 0.0
        for radius in self.radii:
            found = ious_of_cuts(self._guided(ratios, grid, pictures, radius), wanted, cuts)
            gains = found.mean(0) - DOUBT * cuts.abs()
            top = int(gains.argmax())
            best = max(best, (float(gains[top]), radius, CUTS[top]))
        return best[1:]

    def _log_ratio(self, cells: Tensor, anchors: Anchors) -> Tensor:
        """Log density ratio of every cell, with the weighted odds, [L]."""
        sizes = [anchors.foreground.shape[0], anchors.background.shape[0]]
        if not all(sizes):  # nothing to compare with
            return cells.new_full(cells.shape[:1], CERTAIN if sizes[0] else -CERTAIN)
        front, back = (kernel_sum(cells, own, self.sigma) for own in (anchors.foreground, anchors.background))
        return log_ratio(front, sizes[0], back, sizes[1]) + self.odds_weight * anchors.log_odds

    def _guided(self, ratios: Tensor, grid: tuple[int, int], pictures: Tensor, radius: int) -> Tensor:
        """Squashed scores, in [-1, 1] or little beyond, on the pixels of pictures [n, 3, ...], of log ratios [n, L]."""
        squashed = (ratios / SOFT).tanh().unflatten(-1, grid)[:, None]
        small = F.avg_pool2d(pictures, SMALL // LARGE, ceil_mode=True)
        scores = F.interpolate(squashed, small.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        return guided(scores, small, pictures, radius=radius, regularity=self.regularity)


def _anchors(cells: Tensor, masks: CellMasks, left_out: int | None = None) -> Anchors:
    """Of the cells [K, L, C] of examples, but for one that is left out."""
    kept = torch.arange(len(cells), device=cells.device) != left_out if left_out is not None else slice(None)
    front, back = (cells[kept][mask[kept]] for mask in masks)
    beside = int(masks.background[kept][masks.foreground[kept].any(1)].sum())
    odds = math.log(len(front) / beside) if len(front) and beside else 0.0
    return Anchors(_thinned(front), _thinned(back), odds)


def _thinned(cells: Tensor) -> Tensor:
    """At most `MOST_ANCHORS` of them, evenly spread over the examples."""
    if len(cells) <= MOST_ANCHORS:
        return cells
    return cells[torch.linspace(0, len(cells) - 1, MOST_ANCHORS, device=cells.device).round().long()]
