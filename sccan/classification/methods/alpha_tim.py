"""alpha-TIM: transductive information maximisation that does not ask for balance (Veilleux et al., NeurIPS 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.classification.methods.frozen_vectors import FrozenVectors, KnownVectors
from sccan.classification.parts.heads import class_means, true_pairs, unit_scores
from sccan.classification.parts.transduction import tsallis_cross_entropy, tsallis_entropy


class AlphaTIM(FrozenVectors):
    """Class vectors moved so that queries are decided clearly and, mildly, use all classes.

    The loss is the alpha cross-entropy of the supports, plus the mean alpha entropy of the queries, less the alpha
    entropy of their mean. At alpha 1 it is TIM's, whose last term pulls towards balanced classes.
    """

    def __init__(
        self, *args: Any, alpha: float = 2.0, temperature: float = 15.0, steps: int = 100, rate: float = 1e-3,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0), **options: Any,
    ) -> None:  # fmt: skip
        """
        Args:
            alpha: of the entropies, at least 1.
            temperature: tau; a query's logits are minus tau / 2 times its squared distances.
            steps: of Adam on the class vectors; published: 1000 of a rate of 1e-4.
            rate: of Adam.
            weights: of the supports' loss, of the queries' entropy, and of the entropy of their mean; published: 1.
            args, options: see `FrozenVectors`.
        """
        super().__init__(*args, **options)
        self.alpha, self.temperature, self.steps, self.rate, self.weights = alpha, temperature, steps, rate, weights

    def learned(self, known: KnownVectors) -> Tensor:
        """The class means, from which the class vectors start, [B, N, C]."""
        return class_means(known.vectors, known.labels, known.n_way)

    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        with torch.enable_grad():
            classes = state.learned.detach().clone().requires_grad_(True)
            optimizer = torch.optim.Adam([classes], lr=self.rate)
            for _ in range(self.steps):
                optimizer.zero_grad(set_to_none=True)
                # a sum over episodes: Adam moves every episode's class vectors as if it were alone
                self._objective(classes, queries, state).sum().backward()
                optimizer.step()
        return self._logits(classes.detach(), queries)

    def _logits(self, classes: Tensor, vectors: Tensor) -> Tensor:
        return self.temperature / 2 * unit_scores(classes, vectors)

    def _objective(self, classes: Tensor, queries: Tensor, state: KnownVectors) -> Tensor:
        """Of every episode, [B]."""
        supports = self._logits(classes, state.vectors).softmax(-1)  # [B, S, N]
        true = true_pairs(supports, state.labels)  # [B, S]
        found = self._logits(classes, queries).softmax(-1)  # [B, Q, N]
        of_supports, of_queries, of_mean = self.weights
        return (
            of_supports * tsallis_cross_entropy(true, self.alpha).mean(-1)
            + of_queries * tsallis_entropy(found, self.alpha).mean(-1)
            - of_mean * tsallis_entropy(found.mean(1), self.alpha)
        )
