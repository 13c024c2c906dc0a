"""Pictures loaded ahead, in a given order, by worker processes."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sccan.errors import InputError


class Picture(Protocol):
    """What the engine knows of a task's picture, which is a dataclass with whatever else the task needs."""

    @property
    def number(self) -> int:
        """Of the picture, in the data set's index."""

    @property
    def image(self) -> Tensor:
        """Normalised float32 [3, H, W]."""


def load_in_order(load: Callable[[int], Any], numbers: Sequence[int], workers: int = 0) -> Iterator[Any]:
    """The pictures with these numbers, in this order.

    Args:
        load: gives one picture; it runs in the worker processes.
        numbers: which.
        workers: processes that load ahead; 0: this one loads when asked.

    Raises InputError: what `load` raised, with its own line.
    """
    if workers == 0 or len(numbers) < 2:
        yield from map(load, numbers)
        return
    loader = DataLoader(
        _Pictures(load),
        batch_size=None,
        sampler=list(numbers),
        num_workers=min(workers, len(numbers)),
        worker_init_fn=_start_worker,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # else the global one is drawn from
    )
    arriving = iter(loader)
    try:
        for _ in numbers:
            with own_error_lines():
                picture = next(arriving)
            if isinstance(picture, _Failure):
                raise InputError(picture.line)
            yield _in_own_memory(picture)
    finally:
        # Ends the workers now; torch waits ten seconds for them if an error's traceback keeps them until later.
        del arriving


@contextlib.contextmanager
def own_error_lines() -> Iterator[None]:
    """An InputError that torch's loader raised comes out with its own line, without the worker's traceback.

    Raises InputError: a worker was ended from outside, most often for want of memory.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            "a loader process ended before its time (out of memory?); run the same command again, with a smaller "
            "DATA.WORKERS"
        ) from error
    except InputError as error:
        _, wrapped, line = str(error).rpartition(f"{InputError.__name__}: ")
        if not wrapped:
            raise
        raise InputError(line.strip()) from error


@dataclasses.dataclass(frozen=True)
class _Failure:
    """An InputError on its way from a worker; raised there, it would come out with the worker's traceback."""

    line: str


class _Pictures(Dataset):
    """`load` as torch's loader wants it."""

    def __init__(self, load: Callable[[int], Any]) -> None:
        self._load = load

    def __getitem__(self, number: int) -> Any:
        try:
            return self._load(number)
        except InputError as error:
            return _Failure(str(error))


def _start_worker(worker: int) -> None:
    # Ctrl-C reaches every process of a terminal; the main one decides and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(picture: Any) -> Any:
    return picture


def _in_own_memory(picture: Any) -> Any:
    """The picture with tensors in ordinary memory; pictures are kept for long, and shared memory is scarce."""
    fields = {field.name: getattr(picture, field.name) for field in dataclasses.fields(picture)}
    return dataclasses.replace(
        picture, **{name: value.clone() for name, value in fields.items() if isinstance(value, Tensor)}
    )
