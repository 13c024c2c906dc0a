"""Batches: every episode once, good neighbours together, whatever the processes."""

from hypothesis import given
from hypothesis import strategies as st

from sccan.engine.order import dealt, episode_batches
from sccan.episodes.episode import EpisodeSpec


def spec(number: int, class_number: int, support: tuple[int, ...], query: int) -> EpisodeSpec:
    return EpisodeSpec(number, (class_number,), (support,), ((query,),))


@given(
    kinds=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(5, 9)), min_size=1, max_size=40),
    size=st.integers(1, 6),
    world=st.integers(1, 4),
)
def test_every_episode_is_in_one_batch_of_one_process(kinds: list[tuple[int, int, int]], size: int, world: int) -> None:
    specs = [spec(n, number, (first, first + 1), query) for n, (number, first, query) in enumerate(kinds)]
    batches = episode_batches(specs, size)
    shares = [dealt(batches, rank, world) for rank in range(world)]
    assert [batch for share in shares for batch in share] == batches
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert sorted(place for batch in batches for place in batch.places) == list(range(len(specs)))
    for batch in batches:
        assert 1 <= len(batch.places) <= size
        assert len({len(one.query[0]) for one in batch.specs}) == 1
        members = iter(batch.places)
        for one in batch.specs:
            for query in one.query[0]:
                original = specs[next(members)]
                assert (original.classes, original.support, original.query[0][0]) == (one.classes, one.support, query)


def test_episodes_go_class_by_class_and_support_by_support() -> None:
    specs = [spec(0, 2, (1,), 5), spec(1, 1, (1,), 6), spec(2, 2, (3,), 7), spec(3, 1, (1,), 8), spec(4, 2, (1,), 9)]
    assert [batch.places for batch in episode_batches(specs, 1)] == [(1,), (3,), (0,), (4,), (2,)]
    together = episode_batches(specs, 4)
    assert [batch.places for batch in together] == [(1, 3, 0, 4), (2,)]
    assert [one.query for one in together[0].specs] == [((6, 8),), ((5, 9),)]


def test_episodes_of_several_queries_stay_as_they_are() -> None:
    several = [EpisodeSpec(n, (2 - n % 2, 3), ((1,), (2,)), ((5, 6), (7, 8))) for n in range(3)]
    batches = episode_batches(several, 2)
    assert [batch.places for batch in batches] == [(0, 1), (2,)]
    assert [batch.specs for batch in batches] == [tuple(several[:2]), tuple(several[2:])]
    assert not any(batch.merged for batch in batches)
