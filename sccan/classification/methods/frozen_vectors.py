"""What methods share that judge pictures by one vector of a frozen backbone and train nothing.

Letters: B episodes, N ways, S support pictures, Q queries, C channels of all stages together.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.stage import Backbone
from sccan.classification.methods.way_method import WayMethod
from sccan.classification.parts.centring import Centre, no_centre
from sccan.classification.parts.heads import full_precision, ways_of
from sccan.episodes.episode import Episode, Features


@dataclass(frozen=True)
class KnownVectors:
    """What such a method keeps of B support sets.

    Attributes:
        vectors: of the supports, centred and of length one, float32 [B, S, C].
        labels: their ways, [B, S].
        n_way: N.
        centre: what was subtracted before, [B, 1, C].
        learned: what the subclass has made of them.
    """

    vectors: Tensor
    labels: Tensor
    n_way: int
    centre: Tensor
    learned: Any = None


class FrozenVectors(WayMethod):
    """Means over positions of a frozen backbone's maps, centred and brought to length one; subclasses judge them.

    The preparation is SimpleShot's CL2N (Wang, Chao, Weinberger, van der Maaten; arXiv 1911.04623).
    """

    def __init__(self, backbone: Backbone, *, stages: Sequence[str], centre: Centre = no_centre) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are averaged; several are joined.
            centre: from support vectors and labels to the point that is subtracted.

        Raises InputError: the backbone has no such stage.
        """
        super().__init__()
        self.stages, self.centre = tuple(stages), centre
        for name in self.stages:
            backbone.stage(name)
        self.backbone = backbone.freeze()

    def encode(self, images: Tensor) -> Features:
        """One vector per picture and stage, as maps of a single cell."""
        with torch.no_grad():
            maps = self.backbone(images)
        means = {name: maps[name].float().mean((-2, -1), keepdim=True) for name in self.stages}
        return Features(means, (images.shape[-2], images.shape[-1]))

    def vectors(self, features: Features) -> Tensor:
        """[B, n, C] of features with leading dimensions [B, n], as the backbone gives them."""
        return torch.cat([features.maps[name].float().flatten(2) for name in self.stages], dim=-1)

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> KnownVectors:
        vectors, ways = self.vectors(support), n_way or ways_of(labels)
        with torch.no_grad(), full_precision(vectors):
            centre = self.centre(vectors, labels, ways)
            known = KnownVectors(F.normalize(vectors - centre, dim=-1), labels, ways, centre)
            return KnownVectors(known.vectors, labels, ways, centre, self.learned(known))

    def predict(self, query: Features, state: KnownVectors) -> Tensor:
        vectors = self.vectors(query)
        with torch.no_grad(), full_precision(vectors):
            return self.scores(F.normalize(vectors - state.centre, dim=-1), state)

    @abstractmethod
    def learned(self, known: KnownVectors) -> Any:
        """What the method makes of the supports."""

    @abstractmethod
    def scores(self, queries: Tensor, state: KnownVectors) -> Tensor:
        """Logits [B, Q, N] of prepared queries [B, Q, C]."""

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        """Raises ValueError: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} has nothing to train")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """None: there is nothing to train."""
        return {}
