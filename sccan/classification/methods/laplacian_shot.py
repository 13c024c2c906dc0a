"""LaplacianShot: class means, and neighbours that agree (Ziko, Dolz, Granger, Ben Ayed; ICML 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.classification.methods.frozen_vectors import FrozenVectors, KnownVectors
from sccan.classification.parts.heads import class_means, one_hot, unit_scores
from sccan.classification.parts.transduction import laplacian_labels, neighbour_weights


class LaplacianShot(FrozenVectors):
    """All queries together: near the means of the classes, and labelled as their neighbours are.

    Nothing asks for as many queries of one class as of another. Means are first rectified, as published: queries are
    moved by the difference between the mean of the supports and theirs, and each class mean is formed anew with the
    queries that are nearest to it, weighted by the softmax of their cosines.
    """

    def __init__(
        self, *args: Any, pull: float = 1.0, neighbours: int = 3, rectified: bool = True, sharpness: float = 10.0,
        scale: float = 10.0, **options: Any,
    ) -> None:  # fmt: skip
        """
        Args:
            pull: weight of the Laplacian (lambda); published: chosen on validation classes.
            neighbours: of every query; published: 3.
            rectified: see above.
            sharpness: of the rectification's softmax; published: 10.
            scale: of the logits, which changes probabilities and no decision.
            args, options: see `FrozenVectors`.
        """
        super().__init__(*args, **options)
        self.pull, self.neighbours, self.rectified = pull, neighbours, rectified
        self.sharpness, self.scale = sharpness, scale

    def learned(self, known: KnownVectors) -> Tensor:
        """The class means, [B, N, C]."""
        return class_means(known.vectors, known.labels, known.n_way)

    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        means = state.learned
        if self.rectified:
            queries = queries + (state.vectors.mean(1, keepdim=True) - queries.mean(1, keepdim=True))
            means = rectified_means(state.vectors, one_hot(state.labels, state.n_way), queries, means, self.sharpness)
        distances = -unit_scores(means, queries)
        weights = neighbour_weights(queries, self.neighbours)
        return self.scale * laplacian_labels(distances, weights, pull=self.pull)


def rectified_means(vectors: Tensor, ways: Tensor, queries: Tensor, means: Tensor, sharpness: float) -> Tensor:
    """Class means of supports and of the queries nearest to each class, by the softmax of cosines (BD-CSPN, Eq. 9).

    Args:
        vectors: of the supports, [B, S, C].
        ways: indicators of their classes, [B, S, N].
        queries: [B, Q, C].
        means: to start from, [B, N, C].
        sharpness: of the softmax over the members of a class.
    """
    unit = torch.nn.functional.normalize
    everything = torch.cat([vectors, queries], dim=1)  # [B, S + Q, C]
    cosines = unit(everything, dim=-1) @ unit(means, dim=-1).transpose(1, 2)  # [B, S + Q, N]
    nearest = one_hot(cosines[:, vectors.shape[1] :].argmax(-1), means.shape[1])
    members = torch.cat([ways, nearest], dim=1) > 0
    weights = (sharpness * cosines).masked_fill(~members, -torch.inf).softmax(1)  # every class has a support
    return weights.transpose(1, 2) @ everything
