"""Plans depend on (seed, epoch, number) alone, never repeat a picture within an episode, and are fair."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.episodes.index import FoldLists
from sccan.episodes.plan import EpisodePlan, ListPlan, StratifiedPlan, TrainingPlan, numpy_generator, python_generator
from sccan.errors import InputError
from tests.episodes.made_up import made_up_lists

Maker = Callable[[FoldLists, int, int], EpisodePlan]
MAKERS: dict[str, Maker] = {
    "stratified": lambda lists, shots, seed: StratifiedPlan(lists, n_shot=shots, n_episodes=23, seed=seed),
    "list": lambda lists, shots, seed: ListPlan(lists, n_shot=shots, n_episodes=23, seed=seed),
    "listed only": lambda lists, shots, seed: ListPlan(lists, n_shot=shots, n_episodes=23, seed=seed, any_amount=False),
    "training": lambda lists, shots, seed: TrainingPlan(lists, n_shot=shots, seed=seed),
    "balanced": lambda lists, shots, seed: TrainingPlan(lists, n_shot=shots, seed=seed, balanced=True),
}
made_up = st.builds(made_up_lists, st.integers(8, 30), st.integers(1, 5), st.integers(0, 10**6))


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(lists=made_up, shots=st.integers(1, 3), seed=st.integers(0, 2**40), epoch=st.integers(0, 3))
def test_episodes_are_sound_and_independent_of_order(
    name: str, lists: FoldLists, shots: int, seed: int, epoch: int
) -> None:
    plan = MAKERS[name](lists, shots, seed)
    for spec in plan.episodes(epoch):
        (number,), (support,), ((query,),) = spec.classes, spec.support, spec.query
        assert len(set(spec.pictures)) == shots + 1  # distinct, and the query is not among the supports
        assert set(support) <= set(lists.per_class[number].tolist())
        position = int(np.flatnonzero(lists.items == query)[0])
        assert number in lists.classes_of(position, any_amount=name in ("list", "training"))
    backwards = [MAKERS[name](lists, shots, seed).episode(epoch, number) for number in reversed(range(len(plan)))]
    assert backwards[::-1] == plan.episodes(epoch)


@settings(max_examples=25, deadline=None)
@given(lists=made_up, n_episodes=st.integers(1, 60), seed=st.integers(0, 1000))
def test_stratified_serves_every_class_and_every_picture_equally_often(
    lists: FoldLists, n_episodes: int, seed: int
) -> None:
    specs = StratifiedPlan(lists, n_shot=2, n_episodes=n_episodes, seed=seed).episodes()
    per_class = Counter(spec.classes[0] for spec in specs)
    assert max(per_class.values()) - min(per_class[number] for number in lists.classes) <= 1
    for number in lists.classes:
        queries = Counter(spec.query[0][0] for spec in specs if spec.classes[0] == number)
        times = [queries[int(picture)] for picture in lists.per_class[number]]
        assert max(times) - min(times) <= 1


def test_list_plan_walks_the_list_again_and_again() -> None:
    lists = made_up_lists(12, 3, seed=4)
    specs = ListPlan(lists, n_shot=1, n_episodes=2 * len(lists.items) + 3, seed=0).episodes()
    wanted = [*lists.items, *lists.items, *lists.items[:3]]
    assert [spec.query[0][0] for spec in specs] == [int(number) for number in wanted]


def test_training_plan_shows_every_picture_once_per_epoch_in_a_new_order() -> None:
    lists = made_up_lists(20, 4, seed=1)
    plan = TrainingPlan(lists, n_shot=2, seed=5)
    first, second = ([spec.query[0][0] for spec in plan.episodes(epoch)] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == sorted(int(number) for number in lists.items)
    assert first != second
    longer = TrainingPlan(lists, n_shot=2, seed=5, n_episodes=2 * len(lists.items))
    assert [spec.query[0][0] for spec in longer.episodes()][: len(first)] == first
    assert sorted(spec.query[0][0] for spec in longer.episodes()) == sorted(first + first)


def test_balanced_training_draws_rare_classes_as_often_as_frequent_ones() -> None:
    counted = np.zeros((200, 2), bool)
    counted[:, 0], counted[:8, 1] = True, True
    lists = FoldLists((1, 2), np.arange(200), counted, counted)
    for balanced, low, high in ((True, 0.42, 0.58), (False, 0.0, 0.05)):
        specs = TrainingPlan(lists, n_shot=1, seed=0, n_episodes=600, balanced=balanced).episodes()
        assert low <= np.mean([spec.classes[0] == 2 for spec in specs]) <= high


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_and_epochs_give_different_episodes(name: str) -> None:
    lists = made_up_lists(25, 3, seed=2)
    plan = MAKERS[name](lists, 2, 7)
    assert plan.episodes(0) != plan.episodes(1)
    assert plan.episodes(0) != MAKERS[name](lists, 2, 8).episodes(0)


def small_class() -> FoldLists:
    counted = np.ones((6, 3), bool)
    counted[3:, 1] = False
    return FoldLists((16, 17, 18), np.arange(6), counted, counted, ("dog", "sheep", "cow"), "fold 1")


@pytest.mark.parametrize("name", MAKERS)
def test_a_class_with_too_few_pictures_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError) as caught:
        MAKERS[name](small_class(), 5, 0)
    assert str(caught.value) == (
        "fold 1 has 3 images of class 17 (sheep), but 5 shots and a query need 6; "
        "lower EPISODE.SHOTS or set DATA.SKIP_SMALL_CLASSES True"
    )


def test_small_classes_are_left_out_and_reported_on_request() -> None:
    stratified = StratifiedPlan(small_class(), n_shot=5, n_episodes=20, seed=0, skip_small=True)
    listed = ListPlan(small_class(), n_shot=5, n_episodes=20, seed=0, skip_small=True)
    training = TrainingPlan(small_class(), n_shot=5, seed=0, skip_small=True)
    for plan in (stratified, listed, training):
        assert plan.skipped == (17,)
        assert {spec.classes[0] for spec in plan.episodes()} == {16, 18}


def test_pictures_of_nothing_but_small_classes_are_no_queries() -> None:
    counted = np.ones((7, 2), bool)
    counted[2:, 1], counted[0, 0] = False, False
    lists = FoldLists((1, 2), np.arange(7), counted, counted)
    plan = TrainingPlan(lists, n_shot=3, seed=0, skip_small=True)
    assert sorted(spec.query[0][0] for spec in plan.episodes()) == [1, 2, 3, 4, 5, 6]


def test_refusals() -> None:
    lists = small_class()
    with pytest.raises(InputError, match=r"fold 1 is empty"):
        TrainingPlan(lists.select([False] * 6), n_shot=1, seed=0)
    with pytest.raises(InputError, match=r"EPISODE.SHOTS is 0"):
        TrainingPlan(lists, n_shot=0, seed=0)
    with pytest.raises(InputError, match=r"0 episodes were asked for"):
        ListPlan(lists, n_shot=1, n_episodes=0, seed=0)
    with pytest.raises(InputError, match=r"the seed is -1"):
        StratifiedPlan(lists, n_shot=1, n_episodes=3, seed=-1).episodes()
    with pytest.raises(InputError, match=r"has 6 images of class 16 \(dog\) \(and 2 more classes have too few\)"):
        ListPlan(lists, n_shot=6, n_episodes=3, seed=0, skip_small=True)


def test_generators_differ_along_every_part_of_their_path() -> None:
    paths = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1), (0, 1, 2, 0), (0, 12)]
    assert len({numpy_generator(*path).integers(2**60) for path in paths}) == len(paths)
    assert len({python_generator(*path).random() for path in paths}) == len(paths)
    assert numpy_generator(3, 4).random() == numpy_generator(3, 4).random()
