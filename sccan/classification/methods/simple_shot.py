"""SimpleShot: the nearest class mean of centred vectors of length one (Wang et al., arXiv 1911.04623)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sccan.classification.methods.frozen_vectors import FrozenVectors, KnownVectors
from sccan.classification.parts.heads import class_means, unit_scores


class SimpleShot(FrozenVectors):
    """A query belongs to the class whose mean is nearest; its centre is what the subclass's parent was given."""

    def __init__(self, *args: Any, scale: float = 10.0, **options: Any) -> None:
        """
        Args:
            scale: of minus the squared distances, which changes probabilities and no decision.
            args, options: see `FrozenVectors`.
        """
        super().__init__(*args, **options)
        self.scale = scale

    def learned(self, known: KnownVectors) -> Tensor:
        """The class means, [B, N, C]."""
        return class_means(known.vectors, known.labels, known.n_way)

    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        return self.scale * unit_scores(state.learned, queries)
