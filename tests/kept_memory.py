"""What is kept of items while they are walked through."""

import gc
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def kept_per_item(
    items: Iterable[Item], work: Callable[[Iterator[Item]], object], *, between: tuple[int, int]
) -> float:
    """Bytes of Python that stay in use of every item between two numbers, while `work` goes through all of them."""
    kept = {}

    def watched() -> Iterator[Item]:
        for number, item in enumerate(items):
            if number in between:
                gc.collect()
                kept[number] = tracemalloc.get_traced_memory()[0]
            yield item

    tracemalloc.start()
    try:
        work(watched())
    finally:
        tracemalloc.stop()
    first, last = between
    return (kept[last] - kept[first]) / (last - first)
