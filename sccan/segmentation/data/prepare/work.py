"""How a long preparation runs: alone in its folder, in parallel, resumable, and never leaving half a file behind."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from sccan.errors import InputError
from sccan.report.files import written_beside

Task = TypeVar("Task")
Result = TypeVar("Result")

PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_TAIL = b"\x00\x00\x00\x00IEND\xaeB`\x82"
GREY_8_BIT = b"\x08\x00"
"""Bit depth and colour type in the header of a raw-index PNG."""
PARTIAL = ".*.partial"
"""Names of files that a killed run may leave: never a final name."""
FEW = 64
"""Up to so many tasks, starting processes costs more than it saves."""


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Keeps other preparations out of a folder, which is made if missing, and removes what a killed one left.

    The lock is the system's own, on the folder itself: it ends with the process, however that ends.

    Raises InputError: another process prepares this folder, or it cannot be made or read.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot use the folder {root}: {error.strerror}; choose another --root") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another process prepares {root} now; wait for it to end or stop it") from error
        for left in root.rglob(PARTIAL):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def write_label(path: Path, label: np.ndarray) -> None:
    """Writes class numbers, uint8 [H, W], as a raw-index grey PNG, whole or not at all.

    Raises InputError: the file cannot be written.
    """
    encoded = cv2.imencode(".png", label)[1]
    with written_beside(path, durable=False) as beside:
        beside.write_bytes(encoded.tobytes())


def is_finished(path: Path) -> bool:
    """Whether a label image of an earlier run is there, complete to its last bytes, as raw-index grey.

    The check of the end matters after a power cut, which may leave empty or shortened files under final names.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(26)
            stream.seek(-len(PNG_TAIL), os.SEEK_END)
            return head.startswith(PNG_HEAD) and head[24:26] == GREY_8_BIT and stream.read() == PNG_TAIL
    except OSError:
        return False


def in_parallel(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    total: int,
    workers: int,
    title: str,
    done: int = 0,
    chunk: int = 16,
) -> Iterator[Result]:
    """The function's results in the order of the tasks, computed by processes, with progress and the time left.

    Args:
        function: can be pickled, as can tasks and results; an InputError it raises ends the work.
        tasks: read as they are needed.
        total: number of tasks.
        workers: processes; 0 or 1: none besides this one.
        title: what the progress bar says.
        done: tasks that an earlier run has finished; they count as progress but not for the speed.
        chunk: tasks handed to a process at once.

    Raises InputError: a process was ended from outside, most often for want of memory.
    """
    with tqdm(total=total + done, initial=done, desc=title, unit=" files", disable=None) as bar:
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
                "fewer --workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker() -> None:
    """One thread per worker, and an end with the parent: a killed parent must not leave workers that wait forever."""
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
