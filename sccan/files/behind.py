"""Work that follows the main work in a thread of its own: results are written while the next ones are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

Done = TypeVar("Done")


def done_behind(pieces: Iterable[Callable[[], Done]], late: int) -> Iterator[Done]:
    """What the pieces return, called one after another, in their order, in another thread.

    Making the pieces is the main work; it is at most `late` of them ahead. Where it fails, the pieces that were made
    are done before its error is raised; where a piece fails, none behind it is begun, and its error is raised.

    Args:
        pieces: what is to be done.
        late: pieces that may wait.
    """
    failed: list[BaseException] = []

    def attempt(piece: Callable[[], Done]) -> Done:
        if failed:
            raise CancelledError
        try:
            return piece()
        except BaseException as error:
            failed.append(error)
            raise

    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(1) as thread:
        for piece in pieces:
            waiting.append(thread.submit(attempt, piece))
            while len(waiting) > late or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
