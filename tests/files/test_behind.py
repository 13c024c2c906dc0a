"""Work done behind the main work: its order, how far behind, and what an error on either side leaves done."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from sccan.files.behind import done_behind


def test_results_come_in_order_from_another_thread() -> None:
    threads = set()

    def piece(number: int) -> int:
        threads.add(threading.current_thread())
        return number * number

    assert list(done_behind((partial(piece, number) for number in range(9)), 2)) == [n * n for n in range(9)]
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert list(done_behind([], 2)) == []


def test_the_main_work_is_so_far_ahead_and_no_farther() -> None:
    done: list[int] = []
    gate = threading.Event()
    made = 0

    def piece(number: int) -> None:
        gate.wait(30)
        done.append(number)

    def pieces() -> Iterator[Callable[[], None]]:
        nonlocal made
        for number in range(6):
            made += 1
            if made == 3:
                assert not done
                gate.set()
            yield partial(piece, number)
            assert made - len(done) <= 3 + 1

    assert len(list(done_behind(pieces(), 3))) == 6
    assert done == list(range(6))


def test_an_error_of_the_main_work_leaves_done_what_was_made() -> None:
    done: list[int] = []

    def pieces() -> Iterator[Callable[[], None]]:
        yield from (partial(done.append, number) for number in range(3))
        raise OSError("the main work")

    with pytest.raises(OSError, match="the main work"):
        list(done_behind(pieces(), 8))
    assert done == [0, 1, 2]


def test_behind_a_failed_piece_none_is_begun() -> None:
    done: list[int] = []
    gate = threading.Event()

    def broken() -> None:
        gate.wait(30)
        raise OSError("the disk is full")

    def pieces() -> Iterator[Callable[[], None]]:
        yield partial(done.append, 0)
        yield broken
        yield partial(done.append, 2)
        gate.set()
        yield partial(done.append, 3)

    with pytest.raises(OSError, match="the disk is full"):
        list(done_behind(pieces(), 8))
    assert done == [0]
