"""Work on several pictures side by side, each by one core.

With networks as small as those that users of a CPU choose, cores that share a picture mostly wait for each other.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 8
"""Pieces that are worked on side by side, at most: each holds the maps of a picture."""
Piece = TypeVar("Piece")
Done = TypeVar("Done")


def side_by_side(work: Callable[[Piece], Done], pieces: Iterable[Piece], device: torch.device) -> Iterator[Done]:
    """What `work` makes of the pieces, in their order; on a CPU by as many threads as torch has, one core each.

    Elsewhere, with a single thread, and where there is a single piece, one after another. Pieces are taken as they are
    needed, one more than is worked on. The first error is raised in its turn.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and threads > 1:
        left = iter(pieces)
        first = list(itertools.islice(left, 2))
        pieces = itertools.chain(first, left)
        threads = threads if len(first) > 1 else 1
    if device.type != "cpu" or threads == 1:
        yield from map(work, pieces)
        return
    lanes = min(threads, MOST)
    waiting: deque[Future[Done]] = deque()
    try:
        with ThreadPoolExecutor(lanes, "lane", torch.set_num_threads, (1,)) as pool:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        torch.set_num_threads(threads)  # a library below torch keeps one number for all threads
