"""What classification methods share that see the ways of an episode together.

Letters: B episodes, N ways, S support pictures.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from sccan.episodes.episode import Episode, Features
from sccan.method import Method


class WayMethod(Method):
    """A method of N ways, all of whose weights that learn are one group.

    How many ways there are is asked of the episode: looking it up in the labels would wait for the device.
    """

    @abstractmethod
    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> Any:
        """What is kept of the support sets; `n_way` saves looking the number of ways up in the labels."""

    def condition_episode(self, support: Features, episode: Episode) -> Any:
        return self.condition(support, episode.support_labels, n_way=episode.classes.shape[1])

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: as published, one rate and weight decay for everything that learns."""
        return {"model": [parameter for parameter in self.parameters() if parameter.requires_grad]}
