"""How much memory a piece of work takes, as torch's profiler counts it."""

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def allocated_peak(work: Callable[[], Result]) -> tuple[int, Result]:
    """Most bytes that were allocated on the CPU at one time while `work` ran, above those before; and its result."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        result = work()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak, result
