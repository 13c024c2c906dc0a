"""One command for a machine that is at hand for minutes: correctness, speed, memory, a profile; all written down."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sccan.benchmark import record
from sccan.benchmark.session import Plan, document, run_plan
from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.files.made import Made
from sccan.files.writing import write_json, write_text_atomically
from sccan.reference.systems import SYSTEMS
from sccan.reference.verify import verify

FILES = ("benchmark.json", "benchmark.txt")
MINUTES = 9.0
"""After so many minutes no further measurement is begun."""
PASCAL = "config/pascal/pascal_split0_resnet50.yaml"
PASCAL_BAM = "config/pascal/pascal_split0_bam_resnet50.yaml"
SMALL = (
    "TRAIN.SIZE [65,65] TEST.SIZE 65 METHOD.SCCAN.CHANNELS 16 METHOD.SCCAN.GRID [8,8] METHOD.SCCAN.WINDOW 4 "
    "METHOD.SCCAN.HEADS 2 METHOD.SCCAN.DEPTH 2 METHOD.BAM.CHANNELS 16 METHOD.PSPNET.CHANNELS 16 BACKBONE.NAME small "
    "METHOD.BAM.MERGE_STAGES ['layer3','layer2'] BACKBONE.SMALL.STEM [8,8,8] BACKBONE.SMALL.WIDTHS [8,8,16,16] "
    "BACKBONE.SMALL.BLOCKS [1,1,1,1] TRAIN.BATCH_SIZE 2 DATA.WORKERS 0"
).split()
SMALL_PICTURES = "TRAIN.BATCH_SIZE 1 DATA.WORKERS 0 EPISODE.QUERIES 2 EPISODE.TRAIN_QUERIES 1 EPISODE.WAYS 3".split()
REFERENCE = Path(__file__).resolve().parents[2] / "tests" / "reference" / "cases"


def run_everything(runtime: Runtime, out: Path, *, reference: Path | None = None, small: bool = False) -> int:
    """Runs all of it and writes ``benchmark.json``, ``benchmark.txt`` and traces into a folder after every step.

    Args:
        reference: folder of reference cases; None: those of the tests, if this is a checkout.
        small: toy sizes and one repeat.

    Returns:
        0; 1 where a reference case is off or a measurement failed.

    Raises InputError: there are several processes, which would all write the same files.
    """
    if runtime.world_size > 1:
        raise InputError(f"--everything is for one process, not {runtime.world_size}; leave torchrun out")
    session = _Session(runtime, out, small)
    session.check(reference or REFERENCE)
    with tempfile.TemporaryDirectory() as data:  # generated once for all
        for title, plan in planned(runtime, small):
            session.measure(title, dataclasses.replace(plan, folder=data))
    return session.finish()


class _Session:
    """What was found so far; on the disk after every step."""

    def __init__(self, runtime: Runtime, out: Path, small: bool) -> None:
        self.runtime, self.out, self.small = runtime, out, small
        self.made = Made(out)
        self.made.require(FILES)
        self.begun, self.ok = time.monotonic(), True
        self.results: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.facts: dict[str, Any] = {"small": small, "reference": {}, "failed": [], "left_out": []}

    @property
    def minutes(self) -> float:
        """Since the beginning."""
        return (time.monotonic() - self.begun) / 60

    def check(self, folder: Path) -> None:
        """Correctness on this device, and which tolerances lower precisions would need."""
        device = self.runtime.device.type
        lines = [] if folder.is_dir() else [f"no reference cases under {folder}"]
        for precision in ("float32", "tf32", "bf16") if device == "cuda" else ("float32", "bf16"):
            for system in SYSTEMS if folder.is_dir() else ():
                if self.small and system != "can":
                    continue
                with self._attempt(f"reference cases of {system}, {precision}"):
                    done = verify([folder], SYSTEMS, device=device, only=[system], precision=precision)
                    self.ok &= done.ok or precision != "float32"
                    one = done.systems[system]
                    # As words: a deviation may be infinite, for which JSON has no name.
                    self.facts["reference"][f"{precision} {system}"] = vars(one) | {"worst": str(one.worst)}
                    lines.append(
                        f"{precision} {system}: {one.lines_ok} of {one.lines} outputs within tolerance, worst "
                        f"{one.worst[0]:.3g} times the tolerance ({one.worst[1]}), {one.discrete} discrete outputs off"
                    )
        print("\n".join(lines), flush=True)
        self.texts.append("\n".join(lines))
        self._keep()

    def measure(self, title: str, plan: Plan) -> None:
        """One plan, if there is time left for it."""
        if self.minutes > MINUTES:
            self.facts["left_out"].append(title)
            return
        print(f"{60 * self.minutes:5.0f} s  {title}", flush=True)
        with self._attempt(title):
            lines = run_plan(plan, self.runtime, self.out / "profile" if "profile" in title else None)
            self.results += [{**line, "title": title} for line in lines]
            profiles = [line["profile"] for line in lines if "profile" in line]
            self.texts.append("\n".join([title, record.table(lines), *profiles]))
            print(record.table(lines), flush=True)
            self._keep()
        if self.runtime.device.type == "cuda":
            torch.cuda.empty_cache()

    def finish(self) -> int:
        """The exit code; everything is written."""
        self.facts["minutes"] = self.minutes
        self.texts += [f"failed: {line}" for line in self.facts["failed"]]
        self.texts += [f"no time left: {line}" for line in self.facts["left_out"]]
        self._keep()
        print(f"written: {self.out / 'benchmark.json'} and benchmark.txt, {self.minutes:.1f} minutes")
        return int(bool(self.facts["failed"]) or not self.ok)

    @contextlib.contextmanager
    def _attempt(self, title: str) -> Iterator[None]:
        """Out of memory, a compiler's refusal, a tensor on another device: noted, and the other steps still count."""
        try:
            yield
        except (InputError, RuntimeError, TypeError) as error:
            self.facts["failed"].append(f"{title}: {' '.join(str(error).split())[:500]}")
            print(f"failed: {self.facts['failed'][-1]}", flush=True)

    def _keep(self) -> None:
        numbers, text = self.made.claim_all(FILES)
        write_json(numbers, document(self.results, self.runtime, **self.facts))
        write_text_atomically(text, "\n\n".join(self.texts) + "\n")


def planned(runtime: Runtime, small: bool) -> Iterator[tuple[str, Plan]]:
    """What is measured, the most wanted first."""
    fast, lower = "TRAIN.TRANSFORM fast", "TRAIN.PRECISION bf16"
    training: tuple[str, ...] = ("", "published", lower, f"{lower} TRAIN.CHANNELS_LAST True")
    if runtime.device.type == "cuda":
        training += (f"compiled {lower}",)  # on a CPU compiling takes longer than all the rest
    evaluation = ("", "published", "TEST.BATCH_SIZE 8 TEST.ENCODE_BATCH 8", "TEST.BATCH_SIZE 8 TEST.PRECISION bf16")
    one, five = _plan(PASCAL, small), _plan(PASCAL, small, "EPISODE.SHOTS", "5")
    yield "SCCAN, training, batch 8, 1 shot", _of(one, "training", training)
    yield "SCCAN, evaluation, 1 shot", _of(one, "evaluation", evaluation)
    yield "SCCAN, evaluation, 5 shots", _of(five, "evaluation", evaluation[:3])
    yield "SCCAN, training by parts", _of(one, "training", (lower, ""), clocked=True)
    yield "SCCAN, evaluation by parts", _of(one, "evaluation", ("",), clocked=True)
    yield "SCCAN, profile of a training step", _of(one, "training", (lower,), repeats=1)
    yield "SCCAN, training, batch 8, 5 shots", _of(five, "training", ("", lower))
    yield "loader", _of(one, "loader", ("TRAIN.TRANSFORM published", fast))
    yield "BAM, evaluation", _of(_plan(PASCAL_BAM, small), "evaluation", ("", "uncached"))
    yield "BAM, training", _of(_plan(PASCAL_BAM, small), "training", ("", lower))
    for name in ("can", "dmf", "tsf", "spatialformer", "cecnet", "amtnet"):
        config = f"config/cifar_fs/{name}_resnet12_5w1s.yaml"
        plan = _plan(config, small)
        yield f"{name}, training", _of(plan, "training", ("", lower))
        yield f"{name}, evaluation", _of(plan, "evaluation", ("", "uncached"))


def _plan(config: str, small: bool, *opts: str) -> Plan:
    segmentation = "pascal" in config
    own = (SMALL if segmentation else SMALL_PICTURES) if small else []
    wanted = (("evaluation", 6 if small else 40), ("training", 1 if small else 5), ("loader", 8 if small else 800))
    pictures = (40 if small else 120) if segmentation else 30
    return Plan(
        config=config,
        parts=(),
        opts=(*own, *opts),
        amounts=wanted,
        warm_up=1,
        repeats=1 if small else 5,
        synthetic=pictures,
        side=97 if small else 433,
    )


def _of(plan: Plan, part: str, variants: tuple[str, ...], **changes: Any) -> Plan:
    return Plan(**{**vars(plan), "parts": (part,), "variants": variants, **changes})
