"""Steps, epochs and batches, and when a validation is due."""

from hypothesis import given
from hypothesis import strategies as st

from sccan.engine.timeline import Timeline


def due(timeline: Timeline) -> list[int]:
    return [step for step in range(timeline.total + 1) if timeline.validates(step)]


def test_the_last_step_of_an_epoch_takes_what_remains() -> None:
    timeline = Timeline(batches_per_epoch=7, accumulation=3, epochs=2)
    assert (timeline.steps_per_epoch, timeline.total) == (3, 6)
    assert [timeline.position(step) for step in range(6)] == [(0, 0), (0, 3), (0, 6), (1, 0), (1, 3), (1, 6)]
    assert [timeline.batches_in(step) for step in range(6)] == [3, 3, 1, 3, 3, 1]
    assert [step for step in range(7) if timeline.ends_epoch(step)] == [3, 6]


def test_validation_every_epoch_half_epoch_and_two_epochs() -> None:
    assert due(Timeline(10, 1, 3, validate_every=1.0)) == [10, 20, 30]
    assert due(Timeline(10, 1, 2, validate_every=0.5)) == [5, 10, 15, 20]
    assert due(Timeline(9, 1, 2, validate_every=0.5)) == [4, 9, 14, 18]
    assert due(Timeline(10, 1, 3, validate_every=2.0)) == [20, 30]
    assert due(Timeline(10, 1, 3, validate_every=0.0)) == []


def test_a_bound_on_the_steps_shortens_the_training_and_validates_at_its_end() -> None:
    timeline = Timeline(10, 1, 3, max_steps=14)
    assert timeline.total == 14
    assert due(timeline) == [10, 14]
    assert Timeline(10, 1, 3, max_steps=99).total == 30


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5))
def test_every_batch_is_taken_once_in_order(batches: int, accumulation: int, epochs: int) -> None:
    timeline = Timeline(batches, accumulation, epochs)
    taken = [
        (epoch, first + index)
        for step in range(timeline.total)
        for epoch, first in [timeline.position(step)]
        for index in range(timeline.batches_in(step))
    ]
    assert taken == [(epoch, batch) for epoch in range(epochs) for batch in range(batches)]


@given(st.integers(1, 60), st.integers(1, 6), st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.0]))
def test_validations_are_as_many_as_asked_and_one_is_at_the_end(batches: int, epochs: int, every: float) -> None:
    timeline = Timeline(batches, 1, epochs, validate_every=every)
    steps = due(timeline)
    assert steps[-1] == timeline.total
    if every * batches >= 1:
        regular = int(epochs / every + 1e-9)
        assert regular <= len(steps) <= regular + 1
