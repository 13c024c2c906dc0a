"""A benchmark from a config: its variants built, measured in turn, and written down."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from sccan.benchmark import record
from sccan.benchmark.synthetic import synthetic_settings
from sccan.benchmark.timing import PartClock, count_operations, interleaved
from sccan.benchmark.workloads import COMPILED, WORDS, Workload, attach, build
from sccan.engine.distributed import Runtime
from sccan.engine.environment import describe_environment
from sccan.errors import InputError, nearest
from sccan.files.made import made_beside
from sccan.files.writing import written_beside
from sccan.settings.loading import load_config

PARTS = ("evaluation", "training", "loader")
DEFAULT = "as configured"


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        config: run file.
        parts: of `PARTS`.
        opts: overrides for all variants, KEY VALUE ...
        variants: words of `WORDS`, then KEY VALUE pairs, separated by spaces; the first is what the others are compared
            with.
        amounts: units per repeat by part.
        warm_up, repeats: rounds.
        clocked: measure times by parts (waits for the device around each, so totals are a little larger).
        processor: measure these by processor time, for a CPU that is shared with others.
        compiled: torch.compile for every variant.
        operations: count the operations of one unit.
        weights: checkpoint for the evaluation.
        synthetic: pictures of generated data (per list, or per class in classification); 0: the config's own data.
        side: of generated pictures, in pixels.
        folder: where generated data go; empty: a temporary folder.
    """

    config: str
    parts: tuple[str, ...]
    opts: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("",)
    amounts: tuple[tuple[str, int], ...] = (("evaluation", 20), ("training", 4), ("loader", 64))
    warm_up: int = 1
    repeats: int = 5
    clocked: bool = False
    processor: bool = False
    compiled: bool = False
    operations: bool = True
    weights: str = ""
    synthetic: int = 0
    side: int = 433
    folder: str = ""


def run_plan(plan: Plan, runtime: Runtime, trace: Path | None = None) -> list[dict[str, Any]]:
    """The measured lines of a plan, as plain data.

    Args:
        trace: folder for a profile of the first variant of every part.

    Raises InputError: a variant, a setting or the data are unfit.
    """
    with _data(plan, runtime) as opts:
        return [line for part in plan.parts for line in _measure(plan, part, opts, runtime, trace)]


def document(results: Sequence[dict[str, Any]], runtime: Runtime, **facts: Any) -> dict[str, Any]:
    """Everything that goes into the JSON file."""
    about = describe_environment(runtime.device) | {"load": list(os.getloadavg()), "processes": runtime.world_size}
    return {"format": record.FORMAT, "environment": about, **facts, "results": list(results)}


@contextlib.contextmanager
def _data(plan: Plan, runtime: Runtime) -> Iterator[list[str]]:
    """The overrides of all variants, with generated data while they are used."""
    cfg = load_config(plan.config, list(plan.opts))
    if not plan.synthetic:
        yield list(plan.opts)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(plan.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with runtime.main_first():  # a folder that is kept serves all processes
            found = synthetic_settings(cfg, folder, pictures=plan.synthetic, side=plan.side)
        yield [*found, *plan.opts]


def _measure(plan: Plan, part: str, opts: Sequence[str], runtime: Runtime, trace: Path | None) -> list[dict[str, Any]]:
    work = {
        variant or DEFAULT: _workload(plan, part, variant, opts, runtime) for variant in dict.fromkeys(plan.variants)
    }
    now = time.process_time if plan.processor else time.perf_counter
    clocks = {name: PartClock(runtime.device, now) for name in work} if plan.clocked else None
    for name, one in work.items():
        if clocks is not None:
            attach(one, clocks[name])
    found = interleaved(
        {name: one.run for name, one in work.items()},
        device=runtime.device,
        warm_up=plan.warm_up,
        repeats=plan.repeats,
        clocks=clocks,
    )
    lines: list[dict[str, Any]] = []
    for name, one in work.items():
        facts: dict[str, Any] = {"config": plan.config, "opts": list(plan.opts), "notes": one.notes}
        if plan.operations and one.once is not None and clocks is None and COMPILED not in name:
            facts["operations"] = count_operations(one.once)
        if one.scores is not None:
            facts["scores"] = one.scores()
        lines.append(record.result(part, name, one.unit, found[name], facts))
    if trace is not None:
        first = next(iter(work.values()))
        lines[0]["profile"] = profile(first, runtime, trace / f"{part}.json")
    return lines


def _workload(plan: Plan, part: str, variant: str, opts: Sequence[str], runtime: Runtime) -> Workload:
    words, own = split_variant(variant)
    amounts = dict(plan.amounts)
    if plan.compiled and part != "loader":
        words |= {COMPILED}
    cfg: CfgNode = load_config(plan.config, [*opts, *own])
    return build(part, cfg, frozenset(words), runtime, amount=amounts[part], weights=plan.weights)


def split_variant(variant: str) -> tuple[set[str], list[str]]:
    """The words that a variant begins with, and its overrides KEY VALUE ...

    Raises InputError: what is neither.
    """
    items = variant.split()
    words = set(itertools.takewhile(WORDS.__contains__, items))
    rest = items[len(words) :]
    for key in rest[::2]:
        if "." not in key and not key.isupper():
            hint = nearest(key, WORDS)
            raise InputError(f"{key!r} in variant {variant!r} is no setting and none of {', '.join(WORDS)}{hint}")
    if len(rest) % 2:
        raise InputError(f"variant {variant!r} has a setting without a value; write KEY VALUE pairs")
    return words, rest


def profile(workload: Workload, runtime: Runtime, path: Path) -> str:
    """Profiles a unit with torch's profiler: writes a trace for a browser, returns the table of what costs most."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    key = "self_cpu_time_total"
    if runtime.device.type == "cuda":
        kinds, key = [*kinds, torch.profiler.ProfilerActivity.CUDA], "self_cuda_time_total"
    run = workload.once or workload.run
    run()
    with torch.profiler.profile(activities=kinds) as profiler:
        run()
    with written_beside(made_beside(path, "--profile").claim(path.name)) as beside:
        profiler.export_chrome_trace(str(beside))
    return str(profiler.key_averages().table(sort_by=key, row_limit=25, max_name_column_width=60))
