"""HSNet's episodes: an independent replay of its description with numpy's own `choice`, and the refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.episodes.index import FoldLists
from sccan.errors import InputError
from sccan.segmentation.data.sampling.hsnet_sampler import HSNetClasses, HSNetPairs


def lists_of(held: list[set[int]], classes: tuple[int, ...] = (6, 7, 8)) -> FoldLists:
    """Pictures 10, 11, ... that hold the given classes."""
    table = np.array([[number in own for number in classes] for own in held])
    names = tuple(f"name {number}" for number in classes)
    return FoldLists(classes, np.arange(10, 10 + len(held)), table, table, names, "fold 1")


LISTS = lists_of([{6}, {6, 7}, {7}, {8}, {6, 8}, {7, 8}, {6}])


def test_pairs_come_in_file_order_again_and_again() -> None:
    items = [(12, 7), (10, 6), (11, 6), (15, 7), (13, 8), (14, 8)]
    plan = HSNetPairs(LISTS, n_shot=5, n_episodes=15, seed=0, items=items)
    specs = plan.episodes()
    assert len(plan) == 15
    assert [(spec.query[0][0], spec.classes[0]) for spec in specs] == (items * 3)[:15]
    for spec in specs:
        listed = {picture for picture, number in items if number == spec.classes[0]}
        assert set(spec.support[0]) <= listed - {spec.query[0][0]}
        assert len(spec.support[0]) == 5
    assert any(len(set(spec.support[0])) < 5 for spec in specs)  # with one or two other pictures it cannot be else


def test_without_a_file_every_class_of_every_picture_is_an_item() -> None:
    specs = HSNetPairs(LISTS, n_shot=1, n_episodes=10, seed=0).episodes()
    assert [(spec.query[0][0], spec.classes[0]) for spec in specs] == [
        *((10, 6), (11, 6), (11, 7), (12, 7), (13, 8), (14, 6), (14, 8), (15, 7), (15, 8), (16, 6)),
    ]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), n_shot=st.integers(1, 5), n_episodes=st.integers(1, 30))
def test_the_draws_are_those_of_numpys_choice_in_one_stream(seed: int, n_shot: int, n_episodes: int) -> None:
    stream = np.random.RandomState(seed)

    def supports(listed: list[int], query: int) -> tuple[int, ...]:
        names: list[int] = []
        while True:
            name = stream.choice(listed, 1, replace=False)[0]
            if name != query:
                names.append(int(name))
            if len(names) == n_shot:
                return tuple(names)

    classes = HSNetClasses(LISTS, n_shot=n_shot, n_episodes=n_episodes, seed=seed)
    for number in range(n_episodes):
        chosen = int(stream.choice([6, 7, 8], 1, replace=False)[0])
        listed = LISTS.per_class[chosen].tolist()
        query = int(stream.choice(listed, 1, replace=False)[0])
        spec = classes.episode(0, number)
        assert (spec.number, spec.classes, spec.query) == (number, (chosen,), ((query,),))
        assert spec.support == (supports(listed, query),)

    stream = np.random.RandomState(seed)
    pairs = HSNetPairs(LISTS, n_shot=n_shot, n_episodes=n_episodes, seed=seed)
    for spec in pairs.episodes():
        listed = LISTS.per_class[spec.classes[0]].tolist()
        assert spec.support == (supports(listed, spec.query[0][0]),)


def test_every_epoch_and_every_asking_gives_the_same() -> None:
    first, second = (HSNetClasses(LISTS, n_shot=2, n_episodes=8, seed=3) for _ in range(2))
    assert first.episodes() == second.episodes(epoch=4)
    assert second.episode(1, 5) == first.episode(0, 5)
    assert first.episodes() != HSNetClasses(LISTS, n_shot=2, n_episodes=8, seed=4).episodes()


def test_a_class_with_one_picture_is_refused_or_left_out() -> None:
    lonely = lists_of([{6}, {6}, {7}, {8}, {8}])
    for plan in (HSNetPairs, HSNetClasses):
        with pytest.raises(
            InputError, match=r"fold 1 has 1 image of class 7 \(name 7\), but 1 shot and a query need 2"
        ):
            plan(lonely, n_shot=5, n_episodes=4, seed=0)
        kept = plan(lonely, n_shot=5, n_episodes=40, seed=0, skip_small=True)
        assert kept.skipped == (7,)
        assert {spec.classes[0] for spec in kept.episodes()} == {6, 8}


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], "there are no items to test on for fold 1; check the list"),
        ([(10, 6), (11, 6), (12, 5)], "the list names class 5, which is not tested in fold 1; check the fold"),
        ([(10, 6), (10, 6)], "the list has one picture of class 6 (name 6), but a query and a support need two"),
    ],
)
def test_items_that_cannot_be_tested_are_refused(items: list[tuple[int, int]], line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        HSNetPairs(LISTS, n_shot=1, n_episodes=2, seed=0, items=items)


@pytest.mark.parametrize("asked", [{"n_shot": 0}, {"n_episodes": 0}, {"seed": -1}])
def test_senseless_numbers_are_refused(asked: dict[str, int]) -> None:
    numbers = {"n_shot": 1, "n_episodes": 1, "seed": 0} | asked
    for plan in (HSNetPairs, HSNetClasses):
        with pytest.raises(
            InputError, match="were asked for; expected at least 1 episode and 1 shot, and a seed from 0"
        ):
            plan(LISTS, **numbers)
