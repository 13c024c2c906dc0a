"""The published sampling against a real loader that draws as the published data set does."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from sccan.episodes.index import FoldLists
from sccan.errors import InputError
from sccan.segmentation.data.sampling.published_sampler import PublishedPlan, base_seeds
from tests.episodes.made_up import made_up_lists


class DrawsLikeThePublishedOne(Dataset[list[int]]):
    """Items [query, class, supports as stacked], drawn from Python's global generator in the worker."""

    def __init__(self, lists: FoldLists, shots: int) -> None:
        self.lists, self.shots = lists, shots

    def __len__(self) -> int:
        return len(self.lists.items)

    def __getitem__(self, position: int) -> list[int]:
        query = int(self.lists.items[position])
        held = self.lists.classes_of(position)
        number = held[random.randint(1, len(held)) - 1]
        files = self.lists.per_class[number].tolist()
        stacked: list[int] = []
        for _ in range(self.shots):
            picked = random.randint(1, len(files)) - 1
            while True:
                picked = random.randint(1, len(files)) - 1
                if files[picked] != query and files[picked] not in stacked:
                    break
            stacked = [files[picked], *stacked]
        return [query, number, *stacked]


def rows(plan: PublishedPlan) -> list[list[int]]:
    return [[spec.query[0][0], spec.classes[0], *spec.support[0]] for spec in plan.episodes()]


def test_passes_over_a_loader_with_workers_are_reproduced() -> None:
    lists = made_up_lists(13, 3, seed=6)
    generator = torch.Generator().manual_seed(321)
    settings: dict[str, Any] = {"batch_size": None, "num_workers": 2, "generator": generator}
    drawn = [item for _ in range(2) for item in DataLoader(DrawsLikeThePublishedOne(lists, 2), **settings)]
    drawn = [torch.as_tensor(item).tolist() for item in drawn]
    plan = PublishedPlan(lists, n_shot=2, n_episodes=len(drawn) - 3, seed=321, workers=2)
    assert rows(plan) == drawn[:-3]


def test_one_process_draws_everything_from_one_generator() -> None:
    lists = made_up_lists(9, 2, seed=1)
    state = random.getstate()
    random.seed(77)
    dataset = DrawsLikeThePublishedOne(lists, 3)
    drawn = [dataset[number % len(dataset)] for number in range(2 * len(dataset) + 1)]
    random.setstate(state)
    assert rows(PublishedPlan(lists, n_shot=3, n_episodes=len(drawn), seed=77, workers=0)) == drawn


def test_episodes_depend_on_the_number_of_workers_but_not_on_the_epoch() -> None:
    lists = made_up_lists(13, 3, seed=6)
    plans = [PublishedPlan(lists, n_shot=1, n_episodes=20, seed=1, workers=workers) for workers in (3, 4)]
    assert rows(plans[0]) != rows(plans[1])
    assert plans[0].episodes(0) == plans[0].episodes(5)


def test_recorded_base_seeds_of_seed_321() -> None:
    numbers = base_seeds(321)
    assert [next(numbers) for _ in range(4)] == [
        7119482877287995930,
        1437229359153720095,
        8847909884838522568,
        4568732022106906792,
    ]


def test_the_global_generators_are_left_alone() -> None:
    lists = made_up_lists(9, 2, seed=1)
    states = random.getstate(), torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    PublishedPlan(lists, n_shot=1, n_episodes=30, seed=3)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert str(np.random.get_state()) == states[2]  # noqa: NPY002


def test_refusals() -> None:
    lists = made_up_lists(9, 2, seed=1)
    with pytest.raises(InputError) as caught:
        PublishedPlan(lists, n_shot=9, n_episodes=30, seed=3)
    assert "images of class" in str(caught.value)
    assert "besides the query, but 9 shots are needed; lower EPISODE.SHOTS" in str(caught.value)
    with pytest.raises(InputError, match="fold 1 is empty"):
        PublishedPlan(lists.select([False] * len(lists.items)), n_shot=1, n_episodes=3, seed=3)
    with pytest.raises(InputError, match="0 episodes of 1 shots by 8 workers were asked for"):
        PublishedPlan(lists, n_shot=1, n_episodes=0, seed=3)
