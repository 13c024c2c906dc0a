"""Logistic regression on frozen vectors ("A good embedding is all you need?", Tian et al., ECCV 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sccan.classification.methods.frozen_vectors import FrozenVectors, KnownVectors
from sccan.classification.parts.logistic import logistic_weights


class LogisticShot(FrozenVectors):
    """A linear classifier fitted to the supports of every episode by scikit-learn."""

    def __init__(self, *args: Any, strength: float = 1.0, **options: Any) -> None:
        """
        Args:
            strength: inverse of the penalty's weight; published: 1.
            args, options: see `FrozenVectors`.
        """
        super().__init__(*args, **options)
        self.strength = strength

    def learned(self, known: KnownVectors) -> Tensor:
        """Weights and biases, [B, N, C + 1]."""
        pairs = zip(known.vectors.cpu().numpy(), known.labels.cpu().numpy(), strict=True)
        rows = [logistic_weights(own, ways, known.n_way, strength=self.strength) for own, ways in pairs]
        return torch.from_numpy(np.stack(rows)).to(known.vectors)

    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        weights = state.learned
        return queries @ weights[..., :-1].transpose(1, 2) + weights[..., -1].unsqueeze(1)
