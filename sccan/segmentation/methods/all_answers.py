"""What both of BAM's learners say, beside their ensemble: for scoring and looking at them.

Letters: B episodes, Q queries, N base classes and background, H W picture size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.method import Method
from sccan.segmentation.methods.bam import BAM, BAMState


class AllAnswers(Method):
    """BAM with all three answers stacked, [B, Q, 4 + N, H, W]: final, meta and base. For testing."""

    def __init__(self, method: BAM) -> None:
        super().__init__()
        self.method = method

    def encode(self, images: Tensor) -> Features:
        return self.method.encode(images)

    def condition(self, support: Features, labels: Tensor) -> BAMState:
        return self.method.condition(support, labels)

    def condition_episode(self, support: Features, episode: Episode) -> BAMState:
        return self.method.condition_episode(support, episode)

    def predict(self, query: Features, state: BAMState) -> Tensor:
        answers = self.method.answers(query, state).resized(query.image_size)
        assert answers.base is not None
        return torch.cat([answers.final, answers.meta, answers.base], dim=2)

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        return self.method.loss(outputs, episode)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return self.method.parameter_groups()


def unstacked(answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Final [..., 2, H, W], meta [..., 2, H, W] and base [..., N, H, W] of stacked answers."""
    final, meta, base = answers.split([2, 2, answers.shape[-3] - 4], dim=-3)
    return final, meta, base


@dataclass(frozen=True)
class FinalSink:
    """What stores or draws outputs, given the ensemble's share of stacked answers.

    Attributes:
        sink: of an evaluation (`engine.evaluate`).
    """

    sink: Callable[[Sequence[EpisodeSpec], Mapping[int, Any], Tensor], None]

    def __call__(self, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Any], outputs: Tensor) -> None:
        self.sink(specs, pictures, unstacked(outputs)[0])


def disagreement_rows(outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Any]) -> Tensor:
    """Rows (number, class, pixels that the meta learner calls foreground and the base learner a base class).

    Args:
        outputs: stacked answers, [B, 1, 4 + N, H, W].
        specs: the B episodes.

    Returns:
        int64 [B, 3].
    """
    _, meta, base = unstacked(outputs)
    both = (meta.argmax(2) == 1) & (base.argmax(2) > 0)  # [B, 1, H, W]
    named = torch.tensor([[spec.number, spec.classes[0]] for spec in specs], device=outputs.device)
    return torch.cat([named, both.flatten(1).sum(1, keepdim=True)], dim=1)
