"""Work dealt to processes: results in order, and one line for whatever stops it."""

from __future__ import annotations

import os
import signal

import pytest

from sccan.errors import InputError
from sccan.files.parallel import FEW, in_parallel


def square(number: int) -> int:
    if number == 77:
        raise InputError("number 77 is not welcome")
    if number == 1077:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_errors_as_they_are(workers: int) -> None:
    tasks = list(range(100, 100 + FEW + 20))
    found = list(in_parallel(square, tasks, total=len(tasks), workers=workers, title="test"))
    assert found == [n * n for n in tasks]
    tasks[FEW] = 77
    with pytest.raises(InputError, match="number 77 is not welcome"):
        list(in_parallel(square, tasks, total=len(tasks), workers=workers, title="test"))


def test_a_worker_that_is_killed_gives_one_line() -> None:
    tasks = [*range(100, 100 + FEW), 1077]
    with pytest.raises(InputError, match=r"a worker process ended before its time .*; run the same command again"):
        list(in_parallel(square, tasks, total=len(tasks), workers=2, title="test"))
