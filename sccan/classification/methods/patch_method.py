"""What methods of the SpatialFormer family share that learn from scores at every position of the query maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from sccan.classification.methods.way_method import WayMethod
from sccan.classification.parts.base_tasks import BaseTasks, base_class_ids
from sccan.episodes.episode import Episode, Features

SHARED_NAMES = (
    ("base.", "backbone."),
    ("similarity_res_func.clasifier.", "tasks.classifier."),  # spelled so in the published code
    ("similarity_res_func.rotate_classifier.", "tasks.rotation_classifier."),
)
"""Beginnings of parameter names that the published methods of the family share, and ours."""


class PatchMethod(WayMethod):
    """In training, queries stand in all rotations and are scored position by position."""

    tasks: BaseTasks

    @abstractmethod
    def training_outputs(self, query: Features, state: Any, episode: Episode) -> Any:
        """Scores at every position of every pair, and logits of the query map of the true pair."""

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training `trained_on` the episode with its queries in all rotations."""
        return self.trained_on(self.tasks.expanded(episode)) if self.training else super().forward(episode)

    def trained_on(self, episode: Episode) -> Any:
        """Training outputs of an episode whose queries stand in all rotations already."""
        support, query = self.encode_episode(episode)
        return self.training_outputs(query, self.condition_episode(support, episode), episode)

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        """Of `PatchOutputs`: ``global``, ``local`` and perhaps ``rotation``, and their weighted sum."""
        return self.tasks.patch_losses(outputs, episode.query_labels, base_class_ids(episode))
