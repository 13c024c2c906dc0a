"""INSID3: training-free in-context segmentation with DINOv3 (Cuttano et al., CVPR 2026, arXiv 2603.28480).

Letters: B episodes, K references, Q queries, C channels, M channels kept, H W picture size, h w grid, L = h * w cells,
G regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Features
from sccan.segmentation.methods.training_free import CERTAIN, TrainingFreeMethod
from sccan.segmentation.parts.cells import cell_masks, on_grid, prototype, to_pixels
from sccan.segmentation.parts.matching import forward_gate, nearest_is_foreground, votes_needed
from sccan.segmentation.parts.positions import check_kept_energy
from sccan.segmentation.parts.regions import region_means, regions_of


@dataclass(frozen=True)
class INSID3State:
    """What INSID3 keeps of B support sets.

    Attributes:
        prototype: mu, [B, M].
        cells: D of every reference, [B, K, L, M].
        foreground: cells of the object, bool [B, K, L].
        image_size: of the references; queries must have it too.
    """

    prototype: Tensor
    cells: Tensor
    foreground: Tensor
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Scored:
    """What INSID3 finds in one query.

    Attributes:
        candidates: cells that pass the gate and the vote, bool [L].
        regions: every cell's region, [L]; None without candidates.
        scores: s of every cell's region, [L]; None without candidates.
    """

    candidates: Tensor
    regions: Tensor | None = None
    scores: Tensor | None = None


class INSID3(TrainingFreeMethod):
    """Candidate cells by a gate and a vote, regions by linkage, and the regions that belong to the best one.

    The defaults are the published method, without its optional dense CRF. Departures: several stages, any grid, and
    cells that are mostly ignored (no published mask has any) are no foreground. All inner products of debiased cells
    are computed in the M channels that debiasing keeps: the same numbers to rounding.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        stages: Sequence[str],
        rank: float = 0.488,
        tau: float = 0.6,
        threshold: float = 0.2,
        soft: bool = False,
        half_state: bool = False,
    ) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells.
            rank: see `TrainingFreeMethod`; published: 500 of 1024 channels.
            tau: mean cosine above which two regions are joined.
            threshold: of a region's score, above which it belongs to the object.
            soft: logits are scores less the threshold, whose border is smoother; else the enlarged mask less a half, as
                published.
            half_state: keep the cells of references in half precision.

        Raises InputError: see `TrainingFreeMethod`.
        """
        super().__init__(backbone, stages, rank=rank)
        self.tau, self.threshold, self.soft, self.half_state = tau, threshold, soft, half_state

    def condition(self, support: Features, labels: Tensor) -> INSID3State:
        """Raises InputError: debiasing leaves nothing of the features."""
        with torch.no_grad(), torch.autocast(labels.device.type, enabled=False):
            cells = self.cells.unit(support)
            check_kept_energy(cells, self.cells.basis(support))
            debiased = self.cells.debiased(cells, support)  # [B, K, L, M]
            foreground = cell_masks(labels, self.cells.grid(support)).foreground
            kept = debiased.half() if self.half_state else debiased
            return INSID3State(prototype(debiased, foreground), kept, foreground, support.image_size)

    def predict(self, query: Features, state: INSID3State) -> Tensor:
        grid = self.cells.grid(query)
        with torch.no_grad(), torch.autocast(state.prototype.device.type, enabled=False):
            rows = [torch.stack([self._logits(one) for one in own]) for own in self.scored(query, state)]
            foreground = to_pixels(on_grid(torch.stack(rows), grid), query.image_size)  # [B, Q, 1, H, W]
            return torch.cat([torch.zeros_like(foreground), foreground], dim=2)

    def scored(self, query: Features, state: INSID3State) -> list[list[Scored]]:
        """What is found in the Q queries of each of the B episodes."""
        self.check_size(query, state.image_size)
        cells = self.cells.unit(query)  # [B, Q, L, C]
        debiased = self.cells.debiased(cells, query)
        return [
            [
                self._scored(*pair, state.prototype[episode], state.cells[episode].float(), state.foreground[episode])
                for pair in zip(cells[episode], debiased[episode], strict=True)
            ]
            for episode in range(len(cells))
        ]

    def _scored(self, cells: Tensor, debiased: Tensor, mu: Tensor, references: Tensor, foreground: Tensor) -> Scored:
        forward = debiased @ mu  # [L]
        candidates = forward_gate(forward)
        gated = debiased[candidates]
        votes = torch.stack([nearest_is_foreground(gated, *one) for one in zip(references, foreground, strict=True)])
        candidates[candidates.clone()] = votes.sum(0) >= votes_needed(len(references))
        if not candidates.any():
            return Scored(candidates)
        regions = regions_of(cells, self.tau)
        scores = region_scores(cells, debiased, forward, candidates, regions, mu)
        return Scored(candidates, regions, scores[regions])

    def _logits(self, found: Scored) -> Tensor:
        """Foreground logit of every cell, [L]."""
        if found.scores is None:
            return torch.full(found.candidates.shape, -CERTAIN, device=found.candidates.device)
        return found.scores - self.threshold if self.soft else (found.scores > self.threshold).float() - 0.5


def region_scores(
    cells: Tensor, debiased: Tensor, forward: Tensor, candidates: Tensor, regions: Tensor, mu: Tensor
) -> Tensor:
    """How much every region belongs to the object (INSID3, seed and aggregation), [G].

    The seed is the region with candidates whose debiased mean is most similar to the prototype. A region's score is
    its mean similarity to the prototype, times the similarity of its undebiased mean to that of the seed, times its
    share of candidates (1 for the seed).

    Args:
        cells: R, [L, C].
        debiased: D, [L, M].
        forward: similarity of every cell to the prototype, [L].
        candidates: bool [L], at least one.
        regions: number of every cell's region, [L].
        mu: prototype, [M].
    """
    centres = F.normalize(region_means(debiased, regions), dim=-1)  # c, [G, M]
    looks = F.normalize(region_means(cells, regions), dim=-1)  # o, [G, C]
    share = region_means(candidates.float(), regions)  # a, [G]
    seed = (centres @ mu).masked_fill(share == 0, -torch.inf).argmax()
    share[seed] = 1
    return region_means(forward, regions) * (looks @ looks[seed]) * share
