"""PT-MAP: power transform and class centres by balanced assignment (Hu, Gripon, Pateux; ICANN 2021)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.classification.methods.frozen_vectors import FrozenVectors, KnownVectors
from sccan.classification.parts.heads import class_means, one_hot, unit_scores
from sccan.classification.parts.transduction import balanced_assignment, power_transformed
from sccan.episodes.episode import Features


class PTMAP(FrozenVectors):
    """Queries are dealt evenly to the classes: only where it is known that there are as many of each.

    Features must be rectified. Supports and queries are centred each on their own mean, as published.
    """

    def __init__(
        self, *args: Any, sharpness: float = 10.0, step: float = 0.2, rounds: int = 20, **options: Any
    ) -> None:
        """
        Args:
            sharpness: lambda of the assignment; published: 10.
            step: share by which centres move to the mean of what they were dealt; published: 0.2.
            rounds: of assigning and moving; published: 20.
            args, options: see `FrozenVectors`.
        """
        super().__init__(*args, **options)
        self.sharpness, self.step, self.rounds = sharpness, step, rounds

    def vectors(self, features: Features) -> Tensor:
        return power_transformed(super().vectors(features))

    def learned(self, known: KnownVectors) -> None:
        """Nothing before the queries are seen."""

    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        supports = _centred(state.vectors)
        queries, ways = _centred(queries), one_hot(state.labels, state.n_way)
        centres = class_means(supports, state.labels, state.n_way)
        plan = balanced_assignment(-unit_scores(centres, queries), sharpness=self.sharpness)
        for _ in range(self.rounds):
            weights = torch.cat([ways, plan], dim=1)  # [B, S + Q, N]
            everything = torch.cat([supports, queries], dim=1)
            means = weights.transpose(1, 2) @ everything / weights.sum(1).unsqueeze(-1)
            centres = centres + self.step * (means - centres)
            plan = balanced_assignment(-unit_scores(centres, queries), sharpness=self.sharpness)
        return plan.clamp_min(1e-12).log()


def _centred(vectors: Tensor) -> Tensor:
    return F.normalize(vectors - vectors.mean(1, keepdim=True), dim=-1)
