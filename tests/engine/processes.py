"""What tests run in processes of their own: `python -m tests.engine.processes kill|two FOLDER`."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from sccan.engine.distributed import Runtime, start
from sccan.engine.evaluate import evaluate
from sccan.engine.run import open_run
from sccan.engine.sharing import share_of, shared_features
from sccan.engine.train import TrainSettings, train
from sccan.episodes.episode import Features
from sccan.errors import InputError
from tests.engine.toy import RECIPE, ToyMethod, ToySource, ToyTask, cpu, toy_score

ROOT = Path(__file__).parents[2]
KILLED_AT = 13
"""Batch, counted over both epochs of 7, in whose preparation the process kills itself: in the 8th step."""
SETTINGS = TrainSettings(epochs=3, seed=5, accumulation=2, clip_norm=1.0, save_steps=3, log_every=1)
TWO_SETTINGS = TrainSettings(epochs=2, accumulation=2, validate_every=0.5, log_every=1)


def launch(part: str, folder: Path, *launcher: str) -> tuple[int, str]:
    """Exit code and output of a part of this file, run in processes of its own."""
    return run_module(*launcher, "tests.engine.processes", part, str(folder))


def start_module(*arguments: str) -> subprocess.Popen[str]:
    """A Python module with arguments, on one thread, its output in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run_module(*arguments: str, timeout: int = 180) -> tuple[int, str]:
    """Exit code and output of such a module."""
    with start_module(*arguments) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return process.returncode, output


def launch_two(folder: Path) -> list[dict[str, Any]]:
    """What each of two processes found that torchrun started (on a port that it chose)."""
    code, output = launch("two", folder, "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")
    assert code == 0, output
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


def train_until_killed(folder: Path) -> None:
    """Trains in a run folder until the process kills itself in the middle of the second epoch."""
    task = ToyTask(steps_per_epoch=7, events={KILLED_AT: signal.SIGKILL})
    with open_run(folder, cpu(), config_text="", settings={}) as run:
        train(ToyMethod(), task, run, cpu(), SETTINGS, RECIPE)


def two(folder: Path) -> None:
    with start("cpu") as runtime:
        found: dict[str, Any] = {
            "sum": runtime.sum_counts(torch.tensor([1, 10]) * (runtime.rank + 1)),
            "mean": runtime.mean(torch.tensor([0.5 + runtime.rank])),
            "largest": runtime.largest([runtime.rank, -runtime.rank]),
            "nothing": [runtime.share(""), *runtime.gather("")],
            "texts": runtime.gather("häuser" * runtime.rank),
            "share": runtime.share("häuser" if runtime.is_main else "other"),
            "gather": runtime.gather_rows(torch.full((3 * runtime.rank, 2), runtime.rank)),
            "main_first": _main_first(folder, runtime),
            "evaluated": evaluate(ToyMethod(), ToySource(7), toy_score, runtime=runtime, batch_size=2),
            "one_episode": evaluate(ToyMethod(), ToySource(1), toy_score, runtime=runtime),
            "shared": {str(layout): _shared(runtime, layout) for layout in (0, 1)},
        }
        found |= _two_train(folder, runtime)
        torch.save(found, folder / f"rank{runtime.rank}.pt")


def _shared(runtime: Runtime, layout: int) -> dict[str, torch.Tensor]:
    """Features of five pictures, of which each process made its share, by number and name."""
    order = (torch.contiguous_format, torch.channels_last)[layout]

    def made(number: int) -> Features:
        values = {"map": float(number), "deep": -float(number)}
        names = sorted(values, reverse=runtime.is_main)  # as if one process had read files and one had encoded
        full = {name: torch.full((1, 3, 4, 5), values[name]).contiguous(memory_format=order) for name in names}
        return Features(full, (8, 10))

    numbers = [7, 3, 9, 4, 6]
    found = shared_features({n: made(n) for n in share_of(numbers, runtime)}, numbers, runtime)
    assert all(value.is_contiguous(memory_format=order) for n in numbers for value in found[n].maps.values())
    return {f"{n} {name}": value for n in found for name, value in sorted(found[n].maps.items())}


def _main_first(folder: Path, runtime: Runtime) -> bool:
    """Whether the main process's file was there when this process came."""
    with runtime.main_first():
        if runtime.is_main:
            (folder / "ready").touch()
        return (folder / "ready").exists()


def _two_train(folder: Path, runtime: Runtime) -> dict[str, Any]:
    model = ToyMethod(seed=runtime.rank, plain=True)  # the main process's weights are everybody's
    task = ToyTask(rank=runtime.rank, world_size=2)
    with open_run(folder / "run", runtime, config_text="", settings={}) as run:
        try:
            open_run(folder / "run", runtime, config_text="", settings={})
            refusal = ""
        except InputError as error:
            refusal = str(error)
        result = train(model, task, run, runtime, TWO_SETTINGS, RECIPE)
    interrupted = _two_interrupted(folder, runtime)
    return {"refusal": refusal, "reason": result.reason, "model": model.state_dict(), **interrupted}


def _two_interrupted(folder: Path, runtime: Runtime) -> dict[str, Any]:
    """A training with dropout that only the second process is asked to stop, resumed, beside one that is not."""
    settings = TrainSettings(epochs=4, seed=2)
    found: dict[str, Any] = {}
    for name, events in (("whole", {}), ("parts", {3: signal.SIGTERM} if runtime.rank else {})):
        model, reasons, scores = ToyMethod(), [], []
        for resume in (False, True):
            task = ToyTask(rank=runtime.rank, world_size=2, events=events if not resume else {})
            with open_run(folder / name, runtime, config_text="", settings={}, resume=resume) as run:
                reasons.append(train(model, task, run, runtime, settings, RECIPE).reason)
            scores += task.validated
        found |= {name: model.state_dict(), f"{name}_reasons": reasons, f"{name}_scores": scores}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"kill": train_until_killed, "two": two}[sys.argv[1]](Path(sys.argv[2]))
