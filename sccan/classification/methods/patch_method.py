"""What methods of the SpatialFormer family share that learn from scores at every position of the query maps.

Letters: B episodes, N ways, Q queries.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from sccan.classification.base_tasks import BaseTasks, base_class_ids
from sccan.episodes.episode import Episode, Features
from sccan.method import Method


class PatchMethod(Method):
    """The course of a training step: queries in all rotations, one state, outputs for the losses."""

    tasks: BaseTasks

    @abstractmethod
    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> Any:
        """What is kept of the support sets; `n_way` saves looking the number of ways up in the labels."""

    @abstractmethod
    def training_outputs(self, query: Features, state: Any, labels: Tensor) -> Any:
        """Scores at every position of every pair, and logits of the query map of the true pair.

        Args:
            query: maps [B, Q, ...].
            state: of the same episodes.
            labels: true ways, [B, Q].
        """

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training `training_outputs`."""
        return self.trained_on(self.tasks.expanded(episode)) if self.training else super().forward(episode)

    def trained_on(self, episode: Episode) -> Any:
        """Training outputs of an episode whose queries stand in all rotations already."""
        support, query = self.encode_episode(episode)
        state = self.condition(support, episode.support_labels, n_way=episode.classes.shape[1])
        return self.training_outputs(query, state, episode.query_labels)

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        """Of `PatchOutputs`: ``global``, ``local`` and perhaps ``rotation``, and their weighted sum."""
        return self.tasks.patch_losses(outputs, episode.query_labels, base_class_ids(episode))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: as published, one rate and weight decay for everything that learns."""
        return {"model": [parameter for parameter in self.parameters() if parameter.requires_grad]}
