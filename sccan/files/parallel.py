"""Work on many files by several processes, in order, with progress; workers end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
from tqdm import tqdm

from sccan.errors import InputError
from sccan.files.plain import plain

Task = TypeVar("Task")
Result = TypeVar("Result")

FEW = 64
"""Up to so many tasks, starting processes costs more than it saves."""


def in_parallel(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    total: int,
    workers: int,
    title: str,
    done: int = 0,
    chunk: int = 16,
    shown: bool | None = None,
) -> Iterator[Result]:
    """The function's results in the order of the tasks, computed by processes, with progress and the time left.

    Args:
        function: can be pickled, as can tasks and results; an InputError it raises ends the work.
        tasks: read as they are needed.
        total: number of tasks.
        workers: processes; 0 or 1: none besides this one.
        title: what the progress bar says.
        done: tasks that an earlier run has finished; they count as progress but not for the speed.
        shown: show the progress bar; None: on terminals.
        chunk: tasks handed to a process at once.

    Raises InputError: a process was ended from outside, most often for want of memory.
    """
    hidden = None if shown is None else not shown
    with tqdm(total=total + done, initial=done, desc=plain(title), unit=" files", disable=hidden) as bar:
        for result in _results(function, tasks, workers if total > FEW else 1, chunk):
            bar.update()
            yield result


def _results(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, chunk: int) -> Iterator[Result]:
    if workers <= 1:
        yield from map(function, tasks)
        return
    # Spawned, not forked: OpenCV's and torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        try:
            yield from pool.map(function, tasks, chunksize=chunk)
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process ended before its time (out of memory?); run the same command again to continue, with "
                'fewer --workers (a script of yours has to put what it does under if __name__ == "__main__":)'
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker() -> None:
    """One thread per worker, and an end with the parent: a killed parent must not leave workers that wait forever."""
    cv2.setNumThreads(1)
    end_with_parent()


def end_with_parent() -> None:
    """In a worker: ends this process when the one that started it does."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
