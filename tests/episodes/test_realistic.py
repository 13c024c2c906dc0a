"""Unbalanced queries: as many in all as asked for, none twice, the same for the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.episodes.realistic import DirichletWayPlan, query_counts
from sccan.episodes.ways import ClassPictures, EpisodeShape
from sccan.errors import InputError


def pictures(per_class: int, classes: int = 6) -> ClassPictures:
    numbers = np.arange(classes * per_class).reshape(classes, per_class)
    return ClassPictures({c: numbers[c] for c in range(classes)}, {c: f"class {c}" for c in range(classes)}, "toys")


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99), st.floats(0.05, 20))
def test_queries_sum_up_and_no_picture_returns(n_way: int, n_shot: int, n_query: int, seed: int, spread: float) -> None:
    shape = EpisodeShape(n_way, n_shot, n_query)
    plan = DirichletWayPlan(pictures(45), shape, n_episodes=3, seed=seed, concentration=spread)
    for spec in plan.episodes():
        assert len(set(spec.classes)) == n_way
        assert sum(map(len, spec.query)) == n_way * n_query
        assert {len(way) for way in spec.support} == {n_shot}
        assert len(set(spec.pictures)) == len(spec.pictures)
        for number, way in zip(spec.classes, zip(spec.support, spec.query, strict=True), strict=True):
            assert all(picture // 45 == number for part in way for picture in part)
    assert plan.episode(0, 2) == plan.episode(0, 2)


def test_shares_vary_as_the_distribution_does() -> None:
    counts = np.array([query_counts(np.random.default_rng(n), 5, 75, 2.0) for n in range(2000)])
    shares = counts / 75
    assert counts.sum(1).tolist() == [75] * 2000
    assert shares.mean(0) == pytest.approx([0.2] * 5, abs=0.01)
    assert shares.var(0) == pytest.approx([0.2 * 0.8 / 11] * 5, rel=0.15)  # of a Dirichlet of concentration 2


def test_refusals() -> None:
    shape = EpisodeShape(5, 1, 15)
    with pytest.raises(InputError, match="has 40 images of class 0"):
        DirichletWayPlan(pictures(40), shape, n_episodes=2, seed=0)
    with pytest.raises(InputError, match="must be above 0"):
        DirichletWayPlan(pictures(90), shape, n_episodes=2, seed=0, concentration=0)
    with pytest.raises(InputError, match="needs at least one"):
        DirichletWayPlan(pictures(90), shape, n_episodes=0, seed=0)
