"""FROST: training-free few-shot segmentation by density ratios of frozen features (Park, 2026, arXiv 2606.31136).

Letters: B episodes, K references, V views of them, Q queries, A anchors, C channels, M channels kept, H W picture size,
h w grid, L = h * w cells.
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
from sccan.segmentation.parts.cells import CellMasks, cell_masks, dilated, mean_colours, on_grid, prototype, to_pixels
from sccan.segmentation.parts.density import Bandwidth, best_bandwidth, log_ratio
from sccan.segmentation.parts.matching import PAIRS, forward_gate, most_of_three_are_foreground, votes_needed
from sccan.segmentation.parts.positions import check_kept_energy
from sccan.segmentation.parts.smoothing import smoothed
from sccan.segmentation.parts.views import view_of, with_view
from sccan.segmentation.parts.whitening import within_whitening

COLOURS = "colours"
"""Name of the mean colours of cells among the features."""
FLIPPED = "flipped"
"""Name of the view of examples that are seen flipped."""
BANDWIDTHS = (0.05, 0.1, 0.2, 0.5, 1.0)
REACH = 4
"""How far candidates are dilated, in cells, times the share of the examples' cells that is foreground."""


@dataclass(frozen=True)
class FROSTEpisode:
    """What FROST keeps of one support set.

    Attributes:
        prototype: mu, whitened, [M].
        whitening: W, [M, M]; None where there was nothing to whiten with, or where it was not asked for.
        anchors: cells of every view, whitened, of length one: the foreground, then the background, then what is
            ignored, [L, M] each.
        lengths: that they had before, [L] each.
        foreground, background: how many of each view's anchors are foreground and background.
        bandwidth: of the kernel.
        reach: how far candidates are dilated, in cells.
        image_size: of the references; queries must have it too.
    """

    prototype: Tensor
    whitening: Tensor | None
    anchors: tuple[Tensor, ...]
    lengths: tuple[Tensor, ...]
    foreground: tuple[int, ...]
    background: tuple[int, ...]
    bandwidth: Bandwidth
    reach: int
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Ratios:
    """What FROST finds in one query.

    Attributes:
        candidates: cells that pass the gate and the vote, bool [L].
        log_ratio: of densities, at every cell, [L].
        smoothed: the same after smoothing, [L].
        dilated: candidates and what is near them, bool [L].
    """

    candidates: Tensor
    log_ratio: Tensor
    smoothed: Tensor
    dilated: Tensor


class FROST(TrainingFreeMethod):
    """Candidates by a gate and a vote; among them, cells nearer to the foreground's anchors than to the background's.

    The defaults are the published method. Departures: several stages, any grid; cells that are mostly ignored (no
    published mask has any) are no anchors; and without any background anchor every candidate is foreground. Inner
    products are computed in the M channels that debiasing keeps, and each is used for the vote and for the densities
    alike: the same numbers to rounding. Not published: the weight of the foreground's odds, and leaving out the
    whitening or the candidates.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        stages: Sequence[str],
        rank: float = 0.244,
        flip: bool = True,
        bandwidths: Sequence[float] = BANDWIDTHS,
        odds_weight: float = 0.0,
        whiten: bool = True,
        gate: bool = True,
        radius: float = 16.0,
        steps: int = 10,
    ) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells.
            rank: see `TrainingFreeMethod`; published: 250 of 1024 channels.
            flip: examples are seen flipped left to right as well.
            bandwidths: widths of the kernel to choose from.
            odds_weight: weight of the log of the foreground's odds among the examples' cells, added to every log ratio;
                0: foreground and background are expected alike.
            whiten: stretch cells by the covariance within foreground and background.
            gate: only candidates and what is near them can be foreground.
            radius: within which cells are smoothed with each other, in cells.
            steps: of smoothing; 0: none.

        Raises InputError: see `TrainingFreeMethod`, or a bandwidth or radius is not positive.
        """
        super().__init__(backbone, stages, rank=rank)
        if not bandwidths or min(bandwidths) <= 0 or radius <= 0 or steps < 0:
            raise InputError(
                f"FROST was given bandwidths {list(bandwidths)}, radius {radius} and {steps} smoothing steps; expected "
                "at least one bandwidth and a radius above 0, and 0 steps or more"
            )
        self.flip, self.bandwidths, self.odds_weight = flip, tuple(bandwidths), odds_weight
        self.whiten, self.gate, self.radius, self.steps = whiten, gate, radius, steps

    def beside(self, features: Features, images: Tensor) -> dict[str, Tensor]:
        colours = (denormalize(images) / 255).clamp(0, 1)
        return {COLOURS: mean_colours(colours, self.cells.grid(features))}

    def as_support(self, features: Features, images: Tensor) -> Features:
        """Also the maps of the flipped pictures, which `condition` takes for further views."""
        if not self.flip:
            return features
        return with_view(features, FLIPPED, self.encode(images.flip(-1)), self.cells.stages)

    @property
    def supports_differ(self) -> bool:
        return self.flip

    def look_once(self) -> None:
        self.flip = False

    def condition(self, support: Features, labels: Tensor) -> tuple[FROSTEpisode, ...]:
        """One entry per episode.

        Args:
            support: from `encode_support`.
            labels: masks [B, K, H, W] in {0, 1, 255}.

        Raises InputError: debiasing leaves nothing of the features.
        """
        with torch.no_grad(), torch.autocast(labels.device.type, enabled=False):
            views, masks = [support], [labels]
            if self.flip:
                views = [support, view_of(support, FLIPPED, self.cells.stages)]
                masks = [labels, labels.flip(-1)]
            cells = torch.cat([self.cells.unit(view) for view in views], dim=1)  # [B, V, L, C]
            check_kept_energy(cells, self.cells.basis(support))
            told = cell_masks(torch.cat(masks, dim=1), self.cells.grid(support))
            debiased = self.cells.debiased(cells, support)
            return tuple(
                self._conditioned(
                    debiased[b], CellMasks(told.foreground[b], told.background[b]), cells.shape[-1], support
                )
                for b in range(len(cells))
            )

    def predict(self, query: Features, state: tuple[FROSTEpisode, ...]) -> Tensor:
        grid, found = self.cells.grid(query), self.ratios(query, state)
        cells = torch.stack([torch.stack([one.smoothed for one in own]) for own in found])  # [B, Q, L]
        reached = torch.stack([torch.stack([one.dilated for one in own]) for own in found]).float()
        ratio, near = (to_pixels(on_grid(maps, grid), query.image_size) for maps in (cells, reached))  # [B, Q, 1, H, W]
        # Far below zero outside the candidates, and not by a jump there, which a later resize would carry inwards.
        foreground = torch.minimum(ratio, 2 * CERTAIN * (near - 0.5))
        return torch.cat([torch.zeros_like(foreground), foreground], dim=2)

    def ratios(self, query: Features, state: tuple[FROSTEpisode, ...]) -> list[list[Ratios]]:
        """What is found in the Q queries of each of the B episodes."""
        grid = self.cells.grid(query)
        for kept in state:
            self.check_size(query, kept.image_size)
        with torch.no_grad(), torch.autocast(query.maps[COLOURS].device.type, enabled=False):
            cells = self.cells.unit(query)  # [B, Q, L, C]
            debiased, colours = self.cells.debiased(cells, query), query.maps[COLOURS].float()
            queries = range(cells.shape[1])
            return [
                [self._ratios(cells[b, q], debiased[b, q], colours[b, q], kept, grid) for q in queries]
                for b, kept in enumerate(state)
            ]

    def _conditioned(self, cells: Tensor, masks: CellMasks, channels: int, support: Features) -> FROSTEpisode:
        """What is kept of the V views of one support set, cells [V, L, M], masks [V, L]."""
        whitening = None
        if self.whiten and masks.foreground.any() and masks.background.any():
            whitening = within_whitening(cells[masks.foreground], cells[masks.background], channels)
            cells = cells @ whitening
        order = (masks.foreground.int() * 2 + masks.background.int()).argsort(dim=-1, descending=True, stable=True)
        sorted_cells = cells.gather(1, order.unsqueeze(-1).expand_as(cells))
        anchors = F.normalize(sorted_cells, dim=-1)
        n_front, n_back = masks.foreground.sum(-1).tolist(), masks.background.sum(-1).tolist()
        pairs = list(zip(anchors, n_front, n_back, strict=True))
        front = torch.cat([own[:inside] for own, inside, _ in pairs])
        back = torch.cat([own[inside : inside + outside] for own, inside, outside in pairs])
        return FROSTEpisode(
            prototype(cells, masks.foreground),
            whitening,
            tuple(anchors),
            tuple(sorted_cells.norm(dim=-1)),
            tuple(n_front),
            tuple(n_back),
            best_bandwidth(front, back, self.bandwidths),
            round(REACH * float(masks.foreground.float().mean())),
            support.image_size,
        )

    def _ratios(
        self, cells: Tensor, debiased: Tensor, colours: Tensor, kept: FROSTEpisode, grid: tuple[int, int]
    ) -> Ratios:
        white = debiased if kept.whitening is None else debiased @ kept.whitening
        votes, ratio = self._compared(F.normalize(white, dim=-1), kept)
        candidates = forward_gate(white @ kept.prototype) & (votes >= votes_needed(len(kept.anchors)))
        smooth = smoothed(ratio, cells, colours, radius=self.radius, steps=self.steps) if self.steps else ratio
        reached = dilated(candidates, grid, kept.reach) if self.gate else torch.ones_like(candidates)
        return Ratios(candidates, ratio, smooth, reached)

    def _compared(self, query: Tensor, kept: FROSTEpisode) -> tuple[Tensor, Tensor]:
        """Votes of the views and log density ratio of every query cell of length one, [L] each."""
        n_front, n_back, sigma = sum(kept.foreground), sum(kept.background), kept.bandwidth.sigma
        votes, found = [], []
        for some in query.split(max(1, PAIRS // len(kept.anchors[0]))):
            front, back, vote = (torch.zeros(len(some), device=query.device) for _ in range(3))
            for anchors, lengths, inside, outside in zip(
                kept.anchors, kept.lengths, kept.foreground, kept.background, strict=True
            ):
                dots = some @ anchors.T
                vote += most_of_three_are_foreground(dots * lengths, inside)
                kernel = dots.sub_(1).div_(sigma).exp_()
                front += kernel[:, :inside].sum(1)
                back += kernel[:, inside : inside + outside].sum(1)
            votes.append(vote)
            found.append(self._log_ratio(front, n_front, back, n_back))
        return torch.cat(votes), torch.cat(found)

    def _log_ratio(self, front: Tensor, n_front: int, back: Tensor, n_back: int) -> Tensor:
        if not n_front or not n_back:  # nothing to compare with
            return torch.full_like(front, CERTAIN if n_front else -CERTAIN)
        odds = math.log(n_front / n_back)
        return log_ratio(front, n_front, back, n_back) + self.odds_weight * odds
