"""Side by side: order, one core each, nothing read far ahead, errors in their turn, and threads as they were."""

import threading
from collections.abc import Iterator

import pytest
import torch

from sccan.engine.lanes import side_by_side

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_by_two_threads_of_one_core_each(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=60)  # passed only if two pieces are under way at once

    def work(number: int) -> tuple[int, int]:
        both.wait()
        return number, torch.get_num_threads()

    assert list(side_by_side(work, range(6), CPU)) == [(number, 1) for number in range(6)]
    assert torch.get_num_threads() == 2


def test_pieces_are_taken_as_they_are_needed(two_threads: None) -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = side_by_side(lambda number: number, pieces(), CPU)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 2


def test_an_error_comes_in_its_turn(two_threads: None) -> None:
    def work(number: int) -> int:
        return 6 // (2 - number)

    results = side_by_side(work, range(5), CPU)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_single_piece_gets_all_cores(two_threads: None) -> None:
    here = threading.current_thread(), 2
    assert list(side_by_side(lambda _: (threading.current_thread(), torch.get_num_threads()), range(1), CPU)) == [here]
    assert list(side_by_side(lambda _: _, range(0), CPU)) == []


def test_with_one_thread_or_another_device_all_is_done_by_the_caller() -> None:
    here = threading.current_thread()
    assert list(side_by_side(lambda _: threading.current_thread(), range(3), CPU)) == [here] * 3
    torch.set_num_threads(2)
    assert list(side_by_side(lambda _: threading.current_thread(), range(3), torch.device("meta"))) == [here] * 3
    torch.set_num_threads(1)
