"""HSNet's rule for several shots: the method runs per shot and the foreground votes decide.

Letters: B episodes, K shots, Q queries, H W size.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from sccan.episodes.episode import Episode, Features
from sccan.method import Method

THRESHOLD = 0.5
"""Share of the largest vote of a picture from which on a pixel is foreground."""


def vote(foreground: Tensor) -> Tensor:
    """Foreground by votes: their sum, divided by the largest one of the picture (at least 1), against 0.5.

    So where shots agree nowhere, a single vote is enough.

    Args:
        foreground: what every shot says, in {0, 1}, integers [..., K, H, W].

    Returns:
        uint8 [..., H, W].
    """
    votes = foreground.sum(dim=-3)
    largest = votes.amax(dim=(-2, -1), keepdim=True).clamp(min=1)
    return (votes / largest >= THRESHOLD).to(torch.uint8)


def decide(maps: Tensor) -> Tensor:
    """Predicted labels, uint8 [..., H, W], from the logits of one network run, or of K runs that vote.

    Args:
        maps: [..., 2 K, H, W]: background and foreground of the first shot, of the second ...
    """
    background, foreground = maps.unflatten(-3, (-1, 2)).unbind(-3)  # [..., K, H, W] each
    labels = (foreground > background).to(torch.uint8)  # an arg max over two channels takes ten times as long on CPUs
    return labels.squeeze(-3) if labels.shape[-3] == 1 else vote(labels)


class VotingMethod(Method):
    """A method that sees one shot at a time.

    `predict` returns the logits of all shots, [B, Q, 2 K, H, W], because the vote comes after they are resized to the
    size of the comparison (`decide`). For testing; it is not trained.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def encode(self, images: Tensor) -> Features:
        return self.method.encode(images)

    def as_support(self, features: Features, images: Tensor) -> Features:
        return self.method.as_support(features, images)

    @property
    def supports_differ(self) -> bool:
        return self.method.supports_differ

    def condition(self, support: Features, labels: Tensor) -> Any:
        """One state per shot."""
        return [self.method.condition(_shot(support, k), labels[:, k : k + 1]) for k in range(labels.shape[1])]

    def condition_episode(self, support: Features, episode: Episode) -> Any:
        """One state per shot, which knows what the method learns from episodes beside their labels."""
        shots = [
            dataclasses.replace(episode, support_labels=episode.support_labels[:, k : k + 1])
            for k in range(episode.n_shot)
        ]
        return [self.method.condition_episode(_shot(support, k), shot) for k, shot in enumerate(shots)]

    def predict(self, query: Features, state: Any) -> Tensor:
        """Logits [B, Q, 2 K, H, W]."""
        return torch.cat([self.method.predict(query, own) for own in state], dim=2)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        """The wrapped method's loss of a single shot. Raises ValueError: there are several shots."""
        if outputs.shape[2] != 2:
            raise ValueError(f"votes of {outputs.shape[2] // 2} shots are for testing; train the method itself")
        return self.method.loss(outputs, episode)

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        return self.method.parameter_groups()


def _shot(support: Features, k: int) -> Features:
    """The features of shot k alone, leading dimensions [B, 1]."""
    return Features({name: maps[:, k : k + 1] for name, maps in support.maps.items()}, support.image_size)
