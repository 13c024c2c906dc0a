"""Votes of several shots: numbers worked by hand, an independent loop, and a method that really runs per shot."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.evaluation.shot_vote import VotingMethod, decide, vote


def test_votes_worked_by_hand() -> None:
    shots = torch.tensor(
        [
            [[1, 1, 0], [0, 0, 0]],
            [[1, 0, 0], [1, 0, 0]],
            [[1, 0, 0], [1, 0, 1]],
            [[1, 0, 0], [0, 0, 0]],
            [[0, 0, 0], [0, 0, 0]],
        ]
    )
    # Votes 4 1 0 / 2 0 1; the largest is 4, so two votes are just enough and one is not.
    assert vote(shots).tolist() == [[1, 0, 0], [1, 0, 0]]
    # The largest vote counts per picture: here nobody agrees, and one vote is enough.
    assert vote(shots[1:3, :, 1:]).tolist() == [[0, 0], [0, 1]]
    assert vote(torch.zeros(5, 2, 3, dtype=torch.long)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_decisions_are_those_of_a_loop_over_pictures_and_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 2 * 5, 6, 7, generator=generator)
    found = decide(logits)
    assert found.dtype == torch.uint8
    array = logits.numpy()
    for b, q in np.ndindex(2, 3):
        votes = np.zeros((6, 7))
        for k in range(5):
            votes += array[b, q, 2 * k + 1] > array[b, q, 2 * k]
        expected = votes / max(votes.max(), 1) >= 0.5
        np.testing.assert_array_equal(found[b, q].numpy(), expected)


def test_one_shot_decides_alone() -> None:
    logits = torch.randn(2, 2, 5, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(decide(logits), logits.argmax(1).to(torch.uint8))


class MeanSupport(Method):
    """Foreground where the query is nearer to the mean of the support masks' features than a learned bound."""

    def __init__(self) -> None:
        super().__init__()
        self.bound = nn.Parameter(torch.tensor(0.3))
        self.seen: list[int] = []

    def encode(self, images: Tensor) -> Features:
        return Features({"map": images[:, :1]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor) -> Any:
        self.seen.append(labels.shape[1])
        weights = (labels == 1).float()
        return (support.maps["map"][:, :, 0] * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))  # [B]

    def predict(self, query: Features, state: Any) -> Tensor:
        distance = (query.maps["map"] - state.view(-1, 1, 1, 1, 1)).abs()
        return torch.cat([distance, self.bound.expand_as(distance)], dim=2)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        return {"total": outputs.mean()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"head": [self.bound]}


def episode(n_shot: int) -> Episode:
    generator = torch.Generator().manual_seed(2)
    return Episode(
        support_images=torch.rand(2, n_shot, 3, 6, 8, generator=generator),
        support_labels=torch.randint(0, 2, (2, n_shot, 6, 8), generator=generator),
        query_images=torch.rand(2, 1, 3, 6, 8, generator=generator),
        query_labels=torch.zeros(2, 1, 6, 8, dtype=torch.long),
        classes=torch.ones(2, 1, dtype=torch.long),
        numbers=torch.arange(2),
    )


def test_the_method_runs_once_per_shot_and_all_logits_come_out() -> None:
    method = MeanSupport()
    batch = episode(3)
    outputs = VotingMethod(method)(batch)
    assert outputs.shape == (2, 1, 6, 6, 8)
    assert method.seen == [1, 1, 1]
    assert batch.support_images is not None
    for k in range(3):
        alone = Episode(
            batch.support_images[:, k : k + 1],
            batch.support_labels[:, k : k + 1],
            batch.query_images,
            batch.query_labels,
            batch.classes,
            batch.numbers,
        )
        torch.testing.assert_close(outputs[:, :, 2 * k : 2 * k + 2], method(alone), rtol=0, atol=0)


def test_a_single_shot_is_the_method_itself_and_several_are_not_trained() -> None:
    method = MeanSupport()
    voting = VotingMethod(method)
    single = voting(episode(1))
    torch.testing.assert_close(single, method(episode(1)), rtol=0, atol=0)
    assert voting.loss(single, episode(1)).keys() == {"total"}
    assert voting.parameter_groups() == method.parameter_groups()
    with pytest.raises(ValueError, match="votes of 2 shots are for testing"):
        voting.loss(voting(episode(2)), episode(2))


def test_shots_know_the_class_of_their_episode() -> None:
    class Named(MeanSupport):
        """Nearer to everything, the higher the number of the class."""

        def condition_episode(self, support: Features, episode: Episode) -> Any:
            return self.condition(support, episode.support_labels) * episode.classes[:, 0]

    batch = dataclasses.replace(episode(2), classes=torch.tensor([[1], [3]]))
    outputs, plain = VotingMethod(Named())(batch), VotingMethod(MeanSupport())(batch)
    torch.testing.assert_close(outputs[0], plain[0], rtol=0, atol=0)
    assert (outputs[1, :, [0, 2]] != plain[1, :, [0, 2]]).all()
    torch.testing.assert_close(outputs[1, :, [1, 3]], plain[1, :, [1, 3]], rtol=0, atol=0)
