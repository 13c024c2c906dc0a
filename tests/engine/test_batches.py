"""Batches by (epoch, batch, rank): nothing repeated, nothing depends on where a run begins or on loader processes."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from sccan.engine.batches import Batches, BatchTask


class Keys(Dataset[tuple[int, int]]):
    """Items that are their own keys."""

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key


def batches(n_items: int, batch_size: int, rank: int = 0, world_size: int = 1, workers: int = 0) -> Batches:
    return Batches(Keys(), n_items, list, batch_size=batch_size, rank=rank, world_size=world_size, workers=workers)


@given(n_items=st.integers(1, 60), batch_size=st.integers(1, 7), world_size=st.integers(1, 3), epoch=st.integers(0, 9))
def test_the_ranks_share_the_first_items_and_drop_the_incomplete_rest(
    n_items: int, batch_size: int, world_size: int, epoch: int
) -> None:
    dealt = [batches(n_items, batch_size, rank, world_size) for rank in range(world_size)]
    seen = [key for own in dealt for batch in own(epoch, 0) for key in batch]
    whole = n_items // (batch_size * world_size) * batch_size * world_size
    assert sorted(seen) == [(epoch, number) for number in range(whole)]
    assert {own.steps_per_epoch for own in dealt} == {n_items // (batch_size * world_size)}


@given(n_items=st.integers(1, 60), batch_size=st.integers(1, 7), world_size=st.integers(1, 3))
def test_the_rest_can_be_kept_and_is_shared(n_items: int, batch_size: int, world_size: int) -> None:
    dealt = [
        Batches(Keys(), n_items, list, batch_size=batch_size, rank=rank, world_size=world_size, keep_rest=True)
        for rank in range(world_size)
    ]
    (steps,) = {own.steps_per_epoch for own in dealt}
    parts = [list(own(2, 0)) for own in dealt]
    assert all(len(own) == steps and all(own) for own in parts)  # as many batches everywhere, none empty
    seen = sorted(number for own in parts for batch in own for _, number in batch)
    rest = n_items % (batch_size * world_size)
    assert seen == list(range(n_items if rest >= world_size else n_items - rest))
    assert [list(own(2, steps - 1)) for own in dealt] == [own[-1:] for own in parts] or not steps


def test_starting_later_gives_the_rest_of_the_same_batches() -> None:
    own = batches(23, 4, rank=1, world_size=2)
    assert list(own(3, 1)) == list(own(3, 0))[1:]
    assert list(own(4, 0)) != list(own(3, 0))


def test_loader_processes_stay_and_change_nothing() -> None:
    alone, helped = batches(12, 3), batches(12, 3, workers=2)
    for epoch in range(2):
        assert [list(map(tuple, batch)) for batch in helped(epoch, epoch)] == list(alone(epoch, epoch))


def test_a_task_hands_its_three_parts_over() -> None:
    task = BatchTask(batches(8, 4), lambda batch, device: [device, *batch], lambda model: {"score": 0.5})
    assert task.steps_per_epoch == 2
    batch = next(task.batches(1, 1))
    assert batch == [(1, 4), (1, 5), (1, 6), (1, 7)]
    assert task.prepare(batch, torch.device("cpu"))[0] == torch.device("cpu")
    assert task.validate(torch.nn.Identity()) == {"score": 0.5}
