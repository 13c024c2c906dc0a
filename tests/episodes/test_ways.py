"""Plans of N-way K-shot episodes: what they depend on, what they keep apart, and what they refuse."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.episodes.ways import (
    ClassPictures,
    EpisodeShape,
    PicturePlan,
    PublishedGenerator,
    PublishedWayPlan,
    WayPlan,
    published_episodes,
    servable,
)
from sccan.errors import InputError


def _pictures(*sizes: int) -> ClassPictures:
    bounds = np.cumsum([0, *sizes])
    per_class = {number: np.arange(bounds[number - 1], bounds[number]) for number in range(1, len(sizes) + 1)}
    return ClassPictures(per_class, {number: f"name{number}" for number in per_class}, "split test")


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(7, 12), min_size=4, max_size=9),
    n_way=st.integers(2, 4),
    n_shot=st.integers(1, 3),
    n_query=st.integers(1, 4),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 3),
    number=st.integers(0, 50),
    published=st.booleans(),
)
def test_an_episode_holds_distinct_classes_and_distinct_pictures_of_them(
    sizes: list[int], n_way: int, n_shot: int, n_query: int, seed: int, epoch: int, number: int, published: bool
) -> None:
    pictures, shape = _pictures(*sizes), EpisodeShape(n_way, n_shot, n_query)
    plan = (
        PublishedWayPlan(pictures, shape, n_episodes=51, seed=seed, python=2 + epoch % 2)
        if published
        else WayPlan(pictures, shape, n_episodes=51, seed=seed)
    )
    spec = plan.episode(epoch, number)
    assert spec.number == number
    assert len(set(spec.classes)) == n_way
    assert [len(way) for way in spec.support] == [n_shot] * n_way
    assert [len(way) for way in spec.query] == [n_query] * n_way
    assert len(set(spec.pictures)) == n_way * (n_shot + n_query)
    for name, support, query in zip(spec.classes, spec.support, spec.query, strict=True):
        assert set(support) | set(query) <= set(pictures.per_class[name].tolist())


def test_an_episode_depends_on_seed_epoch_and_number_alone() -> None:
    pictures, shape = _pictures(20, 30, 40, 25), EpisodeShape(3, 2, 4)
    plan = WayPlan(pictures, shape, n_episodes=10, seed=5)
    backwards = [plan.episode(1, number) for number in reversed(range(10))][::-1]
    assert backwards == WayPlan(pictures, shape, n_episodes=99, seed=5).episodes(1)[:10]
    assert backwards != plan.episodes(2)
    assert backwards != WayPlan(pictures, shape, n_episodes=10, seed=6).episodes(1)


def test_classes_and_pictures_are_drawn_evenly() -> None:
    pictures = _pictures(8, 8, 8, 8, 8)
    plan = WayPlan(pictures, EpisodeShape(2, 1, 1), n_episodes=4000, seed=0)
    specs = plan.episodes()
    classes = np.bincount([number for spec in specs for number in spec.classes], minlength=6)[1:]
    support = np.bincount([way[0] for spec in specs for way in spec.support], minlength=40)
    assert np.abs(classes - 1600).max() < 5 * np.sqrt(1600 * 0.6)
    assert np.abs(support - 200).max() < 5 * np.sqrt(200)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), population=st.integers(1, 700), data=st.data())
def test_the_generator_of_python_3_is_the_one_that_runs_here(seed: int, population: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, min(population, 30)))
    ours, own = PublishedGenerator(seed, 3), random.Random(seed)
    assert ours.sample(range(population), count) == own.sample(range(population), count)
    items, same = list(range(count)), list(range(count))
    ours.shuffle(items)
    own.shuffle(same)
    assert items == same


def test_python_2_and_3_draw_different_episodes_and_the_epoch_does_not_matter() -> None:
    pictures, shape = _pictures(600, 600, 600, 600, 600, 600), EpisodeShape(5, 1, 15)
    two, three = (PublishedWayPlan(pictures, shape, n_episodes=3, python=python) for python in (2, 3))
    assert two.episodes() != three.episodes()
    assert two.episodes(0) == two.episodes(7)


def test_a_published_episode_keeps_the_order_in_which_pictures_enter_and_its_spec_groups_them() -> None:
    pictures, shape = _pictures(30, 30, 30), EpisodeShape(3, 2, 2)
    (episode,) = published_episodes(pictures.per_class, shape, n_episodes=1)
    spec = episode.spec(0, 3)
    assert sorted(episode.support) == sorted((p, w) for w, way in enumerate(spec.support) for p in way)
    assert [way for _, way in episode.query] != sorted(way for _, way in episode.query)


def test_a_class_with_too_few_pictures_is_told_by_name() -> None:
    with pytest.raises(
        InputError, match=r"split test has 3 images of class 2 \(name2\), but 2 shots and 2 queries need 4"
    ):
        WayPlan(_pictures(9, 3, 9), EpisodeShape(2, 2, 2), n_episodes=1, seed=0)


def test_small_classes_can_be_left_out_as_long_as_enough_are_left() -> None:
    pictures, shape = _pictures(9, 3, 9), EpisodeShape(2, 2, 2)
    assert servable(pictures, shape, skip_small=True) == ((1, 3), (2,))
    plan = WayPlan(pictures, shape, n_episodes=20, seed=0, skip_small=True)
    assert {number for spec in plan.episodes() for number in spec.classes} == {1, 3}
    with pytest.raises(InputError, match="2 classes with at least 4 images, but EPISODE.WAYS is 3"):
        servable(pictures, EpisodeShape(3, 2, 2), skip_small=True)


def test_fewer_classes_than_ways_are_refused() -> None:
    with pytest.raises(InputError, match="split test has 3 classes, but EPISODE.WAYS is 5; lower it"):
        PublishedWayPlan(_pictures(9, 9, 9), EpisodeShape(5, 1, 1))


@pytest.mark.parametrize(
    ("shape", "line"), [((1, 1, 1), "WAYS is 1"), ((5, 0, 1), "SHOTS is 0"), ((5, 1, 0), "QUERIES is 0")]
)
def test_a_shape_without_sense_is_refused(shape: tuple[int, int, int], line: str) -> None:
    with pytest.raises(InputError, match=line):
        EpisodeShape(*shape)


@pytest.mark.parametrize("make", [WayPlan, PublishedWayPlan])
def test_a_plan_without_episodes_is_refused(make: type) -> None:
    with pytest.raises(InputError, match="plan of 0 episodes"):
        make(_pictures(9, 9), EpisodeShape(2, 1, 1), n_episodes=0, seed=1)


def test_a_plan_of_pictures_shows_each_once_per_epoch_in_new_orders() -> None:
    pictures = _pictures(4, 7, 5)
    plan = PicturePlan(pictures, seed=3)
    shown = [[(spec.classes[0], spec.query[0][0]) for spec in plan.episodes(epoch)] for epoch in (0, 1)]
    every = [(number, picture) for number, listed in pictures.per_class.items() for picture in listed.tolist()]
    assert [sorted(epoch) for epoch in shown] == [every, every]
    assert shown[0] != shown[1]
    assert shown[0] != every
    again = PicturePlan(pictures, seed=3)
    assert [again.episode(1, n) for n in (7, 2)] == [plan.episode(1, n) for n in (7, 2)]
    assert plan.episode(1, 2).support == ((),)
