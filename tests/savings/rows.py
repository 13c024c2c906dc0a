"""All savings by name, and what is found out about one of them, in a process of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tests.savings import augmentation, bam, can, dmf, family, training_free
from tests.savings.measure import Row, Saving, measure

SAVINGS: dict[str, Callable[[bool], Saving]] = {
    name: make
    for module in (bam, can, augmentation, dmf, family, training_free)
    for name, make in module.SAVINGS.items()
}


def chosen(names: Sequence[str]) -> list[str]:
    """The savings whose names begin with one of these; all where there are none.

    Raises ValueError: no name begins so.
    """
    for name in names:
        if not any(one.startswith(name) for one in SAVINGS):
            raise ValueError(f"no saving's name begins with {name!r}; they are {', '.join(SAVINGS)}")
    return [one for one in SAVINGS if not names or one.startswith(tuple(names))]


def row(name: str, small: bool, repeats: int) -> Row:
    """What is found out about one saving, on one thread."""
    torch.set_num_threads(1)
    gc.freeze()  # what is there already need not be searched before every run
    try:
        return measure(SAVINGS[name](small), repeats)
    finally:
        gc.unfreeze()


def row_of_its_own(name: str, small: bool, repeats: int) -> Row:
    """`row` in a new process: what others have freed would decide how dear large tensors are."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(row, name, small, repeats).result()
