"""What a saving is, the comparison of its two forms, and their processor seconds in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sccan.benchmark.timing import Measured, interleaved
from sccan.report.tables import Column, Table
from tests.savings.memory import allocated_peak

Form = Callable[[], Sequence[Tensor]]
"""Computes the numbers that are compared, from inputs that it holds already."""
MEBI = 2**20
SMALLEST = 1e-30
"""Of a length, so that outputs of zero can be compared."""


@dataclass(frozen=True)
class Saving:
    """Two ways to the same numbers.

    Attributes:
        what: is computed, with its shape.
        before: the straightforward way.
        after: this project's.
        tolerance: largest difference between the two that rounding explains, see `compare`; 0: the same bits.
        calls: of a form in one timed run, so that short ones can be timed; their seconds are those of one call.
        memory: compare the peaks of allocated memory as well.
        timed: False: memory alone, for shapes that take too long.
    """

    what: str
    before: Form
    after: Form
    tolerance: float
    calls: int = 1
    memory: bool = False
    timed: bool = True


@dataclass(frozen=True)
class Row:
    """What was found out about a saving.

    Attributes:
        what: see `Saving`.
        seconds: of the processor before and after, medians of one call; None: not timed.
        ratio: of them in one round: median, lowest and highest.
        difference: see `compare`.
        peaks: of allocated bytes before and after; None: not asked for.
    """

    what: str
    seconds: tuple[float, float] | None
    ratio: tuple[float, float, float] | None
    difference: float
    peaks: tuple[int, int] | None


def measure(saving: Saving, repeats: int) -> Row:
    """Compare both forms, which also warms up, then run them in turn.

    Raises AssertionError: they differ by more than the tolerance.
    """
    peaks = None
    if saving.memory:
        first, wanted = allocated_peak(saving.before)
        second, found = allocated_peak(saving.after)
        peaks = first, second
    else:
        wanted, found = saving.before(), saving.after()
    difference = compare(wanted, found, saving.tolerance)
    del wanted, found
    if not saving.timed:
        return Row(saving.what, None, None, difference, peaks)
    runs = {"before": _repeated(saving.before, saving.calls), "after": _repeated(saving.after, saving.calls)}
    times = interleaved(runs, device=torch.device("cpu"), warm_up=0, repeats=repeats)
    return Row(saving.what, *spread(times), difference, peaks)


def compare(wanted: Sequence[Tensor], found: Sequence[Tensor], tolerance: float) -> float:
    """The largest difference between outputs: the length of the difference as a share of the length of the output.

    Raises AssertionError: it is larger than the tolerance, or shapes or the number of outputs differ.
    """
    assert len(wanted) == len(found), f"{len(wanted)} outputs before, {len(found)} after"
    largest = 0.0
    for number, (one, other) in enumerate(zip(wanted, found, strict=True), start=1):
        assert one.shape == other.shape, f"output {number} is {tuple(one.shape)} before, {tuple(other.shape)} after"
        one, other = one.detach().double(), other.detach().double()
        difference = float((other - one).norm() / one.norm().clamp_min(SMALLEST))
        assert difference <= tolerance, f"output {number} differs by {difference:.1e}, not by {tolerance:.0e} at most"
        largest = max(largest, difference)
    return largest


def spread(times: Mapping[str, Measured]) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Median seconds of one call before and after; median, lowest and highest ratio of a round."""
    before, after = (
        [seconds / calls for seconds, calls in zip(times[form].processor, times[form].units, strict=True)]
        for form in ("before", "after")
    )
    ratios = [one / other for one, other in zip(before, after, strict=True)]
    medians = statistics.median(before), statistics.median(after)
    return medians, (statistics.median(ratios), min(ratios), max(ratios))


def table(rows: Sequence[Row], note: str) -> Table:
    """A line per saving."""
    columns = [
        Column("what"),
        Column("before, s", _seconds, "right"),
        Column("after, s", _seconds, "right"),
        Column("ratio", lambda found: f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f})", "right"),
        Column("peak, MiB", lambda found: f"{found[0] / MEBI:.0f} → {found[1] / MEBI:.0f}", "right"),
        Column("difference", lambda share: f"{share:.0e}" if share else "none", "right"),
    ]
    cells = [(row.what, *(row.seconds or (None, None)), row.ratio, row.peaks, row.difference) for row in rows]
    return Table(columns, cells, note=note)


def _seconds(value: float) -> str:
    return f"{value:.3g}" if value < 1 else f"{value:.2f}"


def _repeated(form: Form, calls: int) -> Callable[[], int]:
    def run() -> int:
        for _ in range(calls):
            form()
        return calls

    return run
