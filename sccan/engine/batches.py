"""Batches of a data set by (epoch, batch, rank), the same whenever they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = TypeVar("Batch")
Key = tuple[int, int]
"""Epoch, and number within the epoch."""


class _Position(Sampler[list[Key]]):
    """The keys of this rank's batches of an epoch from a batch on; moved by `Batches` between epochs."""

    def __init__(self, batch_size: int, n_items: int, rank: int, world_size: int, keep_rest: bool) -> None:
        self.batch_size, self.n_items, self.rank, self.world_size = batch_size, n_items, rank, world_size
        self.whole, rest = divmod(n_items, batch_size * world_size)
        self.steps = self.whole + (keep_rest and rest >= world_size)
        self.epoch, self.first_step = 0, 0

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.first_step, self.steps):
            if step < self.whole:
                first = (step * self.world_size + self.rank) * self.batch_size
                items = range(first, first + self.batch_size)
            else:
                items = range(step * self.world_size * self.batch_size + self.rank, self.n_items, self.world_size)
            yield [(self.epoch, item) for item in items]

    def __len__(self) -> int:
        return self.steps - self.first_step


class Batches:
    """Deals the items of every epoch to batches and ranks: batch b of rank r holds items (b * ranks + r) * size ...

    An epoch's incomplete last round is dropped, as published, unless it is asked for: then the processes share it.
    Loader processes stay from one epoch to the next.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        n_items: int,
        collate: Callable[[Sequence[Any]], Any],
        *,
        batch_size: int,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
        keep_rest: bool = False,
        start_worker: Callable[[int], None] | None = None,
    ) -> None:
        """
        Args:
            dataset: items by (epoch, number).
            n_items: items per epoch.
            collate: makes a batch of items.
            batch_size: items per batch and rank.
            workers: loader processes; 0: load in this one.
            rank: of this process.
            world_size: number of processes.
            pin_memory: hand batches over in page-locked memory (CUDA).
            keep_rest: also deal the last round of an epoch, which is smaller than the others, if every process gets
                something of it.
            start_worker: called in every loader process.
        """
        self._position = _Position(batch_size, n_items, rank, world_size, keep_rest)
        self.steps_per_epoch = self._position.steps
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._position,
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            worker_init_fn=start_worker,
        )

    def __call__(self, epoch: int, first_step: int) -> Iterator[Any]:
        """This rank's batches of an epoch, from a batch on."""
        self._position.epoch, self._position.first_step = epoch, first_step
        return iter(self._loader)


class BatchSource(Protocol):
    """This rank's batches of an epoch from a batch on, deterministic."""

    @property
    def steps_per_epoch(self) -> int: ...

    def __call__(self, epoch: int, first_step: int) -> Iterator[Any]: ...


@dataclass(frozen=True)
class BatchTask(Generic[Batch]):
    """A `TrainingTask` made of three parts.

    Attributes:
        source: the batches.
        to_device: brings one to the device, images normalised.
        score: runs on all ranks; ``score`` is better where larger.
    """

    source: BatchSource
    to_device: Callable[[Batch, torch.device], Batch]
    score: Callable[[nn.Module], dict[str, float]]

    @property
    def steps_per_epoch(self) -> int:
        return self.source.steps_per_epoch

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        return self.source(epoch, first_step)

    def prepare(self, batch: Batch, device: torch.device) -> Batch:
        return self.to_device(batch, device)

    def validate(self, method: nn.Module) -> dict[str, float]:
        return self.score(method)
