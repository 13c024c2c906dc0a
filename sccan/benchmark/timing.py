"""Clocks: interleaved repeats of several variants, medians and quartiles, time by parts, memory, operations."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
REST = "rest"
"""What no part accounts for."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeats."""

    median: float
    lower: float
    upper: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Of at least one value; one value is its own spread."""
        if len(values) == 1:
            return Spread(values[0], values[0], values[0])
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, lower, upper)


@dataclass
class Measured:
    """What repeats of one variant took.

    Attributes:
        seconds: of every repeat, by the wall.
        processor: seconds of the processor of every repeat; on a machine shared with others it says more.
        units: what a repeat did, so many episodes, steps or images.
        parts: seconds of every repeat by part, without the parts inside; empty unless parts were asked for.
        peak_bytes: largest memory in use: of the device, or resident of this process.
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    peak_bytes: int = 0

    def rates(self) -> list[float]:
        """Units per second of every repeat."""
        return [units / seconds for units, seconds in zip(self.units, self.seconds, strict=True)]


class PartClock:
    """Adds up the seconds spent in named parts; what runs inside a part of its own counts there and not outside."""

    def __init__(self, device: torch.device, now: Callable[[], float] = time.perf_counter) -> None:
        """
        Args:
            device: is waited for before the clock is read.
            now: the clock; `time.process_time` on a machine shared with others.
        """
        self.device, self.now, self.seconds = device, now, dict[str, float]()
        self._inside: list[float] = []

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The block is a part. Waits for the device before and after it."""
        synchronise(self.device)
        start = self.now()
        self._inside.append(0.0)
        try:
            yield
        finally:
            synchronise(self.device)
            took, inner = self.now() - start, self._inside.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + took - inner
            if self._inside:
                self._inside[-1] += took

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The function with every call of it counted as a part."""

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return call(*arguments, **options)

        return timed

    def take(self) -> dict[str, float]:
        """Seconds by part since the last call."""
        taken, self.seconds = self.seconds, {}
        return taken


def interleaved(
    variants: Mapping[str, Callable[[], int]],
    *,
    device: torch.device,
    warm_up: int,
    repeats: int,
    clocks: Mapping[str, PartClock] | None = None,
) -> dict[str, Measured]:
    """Runs the variants in turn (A B C A B C ...), because machines grow slower and faster by themselves.

    Args:
        variants: each run returns how many units it did.
        device: is waited for before a clock is read.
        warm_up: rounds that do not count.
        repeats: rounds that do.
        clocks: where given, one per variant; emptied after every run.
    """
    found = {name: Measured() for name in variants}
    for round_number in range(warm_up + repeats):
        for name, run in variants.items():
            gc.collect()  # garbage of the one before is not this one's time
            reset_peak(device)
            synchronise(device)
            wall, processor = time.perf_counter(), time.process_time()
            units = run()
            synchronise(device)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            parts = clocks[name].take() if clocks else {}
            if round_number >= warm_up:
                one = found[name]
                one.seconds.append(wall)
                one.processor.append(processor)
                one.units.append(units)
                one.peak_bytes = max(one.peak_bytes, peak_bytes(device))
                if clocks:
                    whole = processor if clocks[name].now is time.process_time else wall
                    one.parts.append({**parts, REST: whole - sum(parts.values())})
    return found


def count_operations(run: Callable[[], Any]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in a run, 2 per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Forgets the largest memory use so far, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR.exists():
        with contextlib.suppress(OSError):
            CLEAR.write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Largest memory since `reset_peak`: allocated on the device, or resident of the process (0: not known)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if not STATUS.is_file():
        return 0
    line = next((line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
