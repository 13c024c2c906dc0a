"""The processes that train or test together; one process answers the same questions without a process group."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from sccan.errors import InputError

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process."""
PATIENCE = datetime.timedelta(hours=1)
"""How long a process waits for another before the run is given up; indexing a data set on the main process counts."""


@dataclass(frozen=True)
class Runtime:
    """Where this process computes, and its place among its fellows.

    Every method works alike with one process; with several, all of them must call it.

    Attributes:
        device: where this process computes.
        rank: number of this process, 0 for the one that writes files.
        world_size: number of processes.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def barrier(self) -> None:
        """Waits until every process is here."""
        if self.world_size > 1:
            dist.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """The block runs on the main process first, then on the others, which find its files ready."""
        if not self.is_main:
            self.barrier()
        yield
        if self.is_main:
            self.barrier()

    def sum_counts(self, counts: Tensor) -> Tensor:
        """The sum over all processes, on the device of `counts`; exact for integers, so the order does not matter."""
        return self._reduced(counts, dist.ReduceOp.SUM)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes of floating-point values; not finite where one process's value is not."""
        return self._reduced(values, dist.ReduceOp.SUM) / self.world_size

    def largest(self, values: Sequence[int]) -> list[int]:
        """For each position the largest value of any process."""
        if self.world_size == 1:
            return list(values)
        return [int(value) for value in self._reduced(torch.tensor(values), dist.ReduceOp.MAX)]

    def gather_rows(self, rows: Tensor) -> Tensor:
        """The rows of every process in rank order, on every process, on the device of `rows`.

        Args:
            rows: [n, R]; n may differ between processes, and R counts only where n > 0.
        """
        if self.world_size == 1:
            return rows
        shape = torch.tensor([rows.shape[0], rows.shape[1] if len(rows) else 0], device=self.device)
        shapes = [torch.empty_like(shape) for _ in range(self.world_size)]
        dist.all_gather(shapes, shape)
        lengths = [int(value[0]) for value in shapes]
        padded = torch.zeros(max(lengths), max(int(s[1]) for s in shapes), dtype=rows.dtype, device=self.device)
        if len(rows):
            padded[: len(rows)] = rows.to(self.device)
        parts = [torch.empty_like(padded) for _ in range(self.world_size)]
        dist.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)]).to(rows.device)

    def share(self, text: str) -> str:
        """The text of the main process, on every process."""
        if self.world_size == 1:
            return text
        (length,) = self.largest([len(text.encode()) if self.is_main else 0])
        content = (_bytes(text) if self.is_main else torch.zeros(length, dtype=torch.uint8)).to(self.device)
        dist.broadcast(content, src=0)
        return content.cpu().numpy().tobytes().decode()

    def gather(self, text: str) -> list[str]:
        """The texts of all processes in rank order, on every process."""
        own = _bytes(f"{text}\0")[:, None]  # the 0 ends a text; UTF-8 has none inside
        everything = self.gather_rows(own).numpy().tobytes().split(b"\0")
        return [part.decode() for part in everything[: self.world_size]]

    def broadcast_(self, tensors: Iterable[Tensor], source: int = 0) -> None:
        """Overwrites the tensors of every process with those of one, by default the main one."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=source)

    def close(self) -> None:
        """Leaves the process group, if there is one."""
        if self.world_size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reduced(self, values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        if self.world_size == 1:
            return values.clone()
        here = values.to(self.device, copy=True)
        dist.all_reduce(here, op=operation)
        return here.to(values.device)


def _bytes(text: str) -> Tensor:
    return torch.tensor(np.frombuffer(text.encode(), np.uint8))


def start(device: str = "auto") -> Runtime:
    """Joins the processes that torchrun started, or answers for a single one.

    Args:
        device: ``auto`` (CUDA where there is one, else CPU), ``cpu``, ``cuda``, or ``cuda:N`` in a single process.

    Raises InputError: CUDA is asked for and not there, or not for so many processes; the launcher's environment is
        incomplete.
    """
    rank, world_size, local_rank = _place()
    chosen = _device(device, local_rank, world_size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world_size > 1:
        dist.init_process_group(
            "nccl" if chosen.type == "cuda" else "gloo",
            timeout=PATIENCE,
            device_id=chosen if chosen.type == "cuda" else None,
        )
    return Runtime(chosen, rank, world_size)


def computed_together(device: torch.device) -> int:
    """How many pictures at a time suit a device: a CPU keeps those of one in its caches."""
    return 1 if device.type == "cpu" else 4


def choose_device(name: str = "auto") -> torch.device:
    """The device of a single process.

    Args:
        name: as `start` takes it.

    Raises InputError: CUDA is asked for and not there, or the name is unknown.
    """
    return _device(name, 0, 1)


def _place() -> tuple[int, int, int]:
    """Rank, number of processes and rank on this machine, from the launcher's environment."""
    if not {"RANK", "WORLD_SIZE"} & set(os.environ):
        return 0, 1, 0
    missing = [name for name in LAUNCHER if name not in os.environ]
    if missing and os.environ.get("WORLD_SIZE") != "1":
        raise InputError(
            f"the environment names processes but not {', '.join(missing)}; start with torchrun, or unset "
            "RANK and WORLD_SIZE"
        )
    if missing:
        return 0, 1, 0
    try:
        rank, world_size, local_rank = (int(os.environ[name]) for name in LAUNCHER[:3])
    except ValueError as error:
        raise InputError(f"RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers: {error}") from error
    return rank, world_size, local_rank


def _device(name: str, local_rank: int, world_size: int) -> torch.device:
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdigit())):
        raise InputError(f"device {name!r} is unknown; use auto, cpu or cuda")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "auto":
        kind = "cuda" if there else "cpu"
    if kind == "cpu":
        return torch.device("cpu")
    if not there:
        raise InputError("device cuda is asked for, but this machine has no usable CUDA device; use device cpu or auto")
    if index and world_size > 1:
        raise InputError(f"device {name} would serve all {world_size} processes; use cuda, and each takes its own")
    wanted = int(index) if index else local_rank
    if wanted >= there:
        raise InputError(
            f"CUDA device {wanted} is asked for, but there are {there} (numbered from 0); start fewer processes, or "
            "use device cpu"
        )
    return torch.device("cuda", wanted)
