"""The training loop of every method: resumable to the bit, on one process or several.

The position in the data is (epoch, batch) alone. The random states of torch are saved, and neither the drawing of data
nor a validation can disturb them. Losses are read from the device only when they are logged or something is saved.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from sccan.engine.distributed import Runtime
from sccan.engine.interrupts import StopRequest
from sccan.engine.loading import own_error_lines
from sccan.engine.meter import LossMeter
from sccan.engine.modes import evaluation_mode
from sccan.engine.optimizers import OptimizerSettings
from sccan.engine.progress import Progress
from sccan.engine.run import LAST, Run
from sccan.engine.timeline import Timeline
from sccan.engine.train_settings import (
    EARLY_STOP,
    FINISHED,
    INTERRUPTED,
    OUT_OF_TIME,
    TrainingTask,
    TrainResult,
    TrainSettings,
)
from sccan.engine.training_state import Standing, set_random_state, training_state
from sccan.engine.update import Updater
from sccan.errors import InputError
from sccan.faults import is_want_of_memory

AGREE_EVERY = 10
"""Steps between two agreements of several processes on stopping and saving; one process decides at every step."""
RANK_SEED_STRIDE = 1_000_003


def train(
    model: nn.Module,
    task: TrainingTask,
    run: Run,
    runtime: Runtime,
    settings: TrainSettings,
    optimizers: Mapping[str, OptimizerSettings],
    *,
    header: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Trains a model, or goes on where the run was stopped.

    SIGTERM and SIGINT let the step in work finish, save, and end the training as ``interrupted``.

    Args:
        model: gives `model(batch)`, `model.loss(outputs, batch)` with an entry ``total``, and
            `model.parameter_groups()`. Parameters that no gradient reaches must be frozen.
        task: brings the data and the validation.
        run: the folder; it gets the state to resume from and the best weights (those of the last step where nothing
            is validated).
        runtime: all its processes must call.
        settings: how long and how.
        optimizers: settings for every parameter group.
        header: facts to store with the weights (method, protocol ...).

    Raises InputError: a loss or a weight is not finite (nothing is overwritten then); the saved state belongs to
        another training; the optimisers' names are not the model's; an epoch has no batch.
    """
    if task.steps_per_epoch < 1:
        raise InputError("the training set gives no batch per epoch; lower the batch size or add pictures")
    with torch.random.fork_rng(devices=_cuda(runtime)), StopRequest() as stop:
        return _Trainer(model, task, run, runtime, settings, optimizers, dict(header or {}), stop).run_to_end()


class _Trainer:
    """One training; see `train`."""

    def __init__(
        self,
        model: nn.Module,
        task: TrainingTask,
        run: Run,
        runtime: Runtime,
        settings: TrainSettings,
        optimizers: Mapping[str, OptimizerSettings],
        header: dict[str, Any],
        stop: StopRequest,
    ) -> None:
        self.model, self.task, self.run, self.runtime = model, task, run, runtime
        self.settings, self.header, self.stop = settings, header, stop
        self.timeline = Timeline(
            task.steps_per_epoch, settings.accumulation, settings.epochs, settings.max_steps, settings.validate_every
        )
        self.updater = Updater(
            model,
            optimizers,
            self.timeline.total,
            runtime,
            precision=settings.precision,
            clip_norm=settings.clip_norm,
            fold=settings.fold_norms,
            compiled=settings.compiled,
        )
        self.meter, self.standing = LossMeter(), Standing()
        self.batches: Iterator[Any] | None = None
        self.saved_step, self.logged_step = 0, 0
        self.began = self.saved_at = self.logged_at = time.monotonic()

    def run_to_end(self) -> TrainResult:
        self._begin()
        total, done = self.timeline.total, self.standing.step
        with Progress(total, "training", done=done, shown=self.runtime.is_main) as self.progress:
            reason = self._settle(wish="", save=False)  # a validation may be owed from before
            while not reason:
                self._step()
                reason = self._settle(*self._wishes())
        if reason == FINISHED and self.standing.best_score is None:
            self._release({})
        if reason in (FINISHED, EARLY_STOP):
            self.run.log({"event": reason, **self._place()})
        best = self.standing
        return TrainResult(reason, best.step, total, best.best_score, best.best_step)

    def _begin(self) -> None:
        """Seeds, or restores everything that was saved."""
        torch.manual_seed(self.settings.seed + RANK_SEED_STRIDE * self.runtime.rank)
        self.model.train()
        state = self.run.load_state()
        self.run.cut_log(0 if state is None else self._restore(state))
        self.saved_step = self.logged_step = self.standing.step
        self.run.start_events(self.standing.step)
        self.run.log({"event": "resumed" if self.standing.step else "started", **self._place()})

    def _step(self) -> None:
        done = self.standing.step
        count = self.timeline.batches_in(done)
        try:
            losses = self.updater.step(done + 1, (self._next_batch(done, index) for index in range(count)), count)
        except RuntimeError as error:
            if not is_want_of_memory(error):
                raise
            raise InputError(
                f"the memory of {self.runtime.device} does not hold step {done + 1}; a smaller batch would be another "
                "training, so none is taken unasked: halve TRAIN.BATCH_SIZE and double TRAIN.ACCUMULATION (the same "
                "gradients, unless norms learn from the batch), or set TRAIN.PRECISION bf16, and start anew; where "
                "others had taken the memory, go on with --resume"
            ) from error
        self.meter.add(losses)
        self.standing.step = done + 1
        if self.timeline.ends_epoch(done + 1):
            self.batches = None
        self.progress.advance()
        if (done + 1) % self.settings.log_every == 0 or done + 1 == self.timeline.total:
            self._log()

    def _next_batch(self, done: int, index: int) -> Any:
        """A batch of the step that follows `done` steps, on the device."""
        epoch, first = self.timeline.position(done)
        # Loaders draw seeds for their workers from the global generator, at another point after a resume.
        with torch.random.fork_rng(devices=[]), own_error_lines():
            if self.batches is None:
                self.batches = iter(self.task.batches(epoch, first + index))
            batch = next(self.batches, None)
        if batch is None:
            raise ValueError(f"the task gave fewer than its {self.task.steps_per_epoch} batches in epoch {epoch}")
        return self.task.prepare(batch, self.runtime.device)

    def _wishes(self) -> tuple[str, bool]:
        """Whether somebody wants to end here (and why), and whether it is time to save; alike on all processes."""
        step, settings, now = self.standing.step, self.settings, time.monotonic()
        save_steps = bool(settings.save_steps) and step % settings.save_steps == 0
        wishes = [
            int(self.stop.made),
            int(bool(settings.max_minutes) and now - self.began >= 60 * settings.max_minutes),
            int(bool(settings.save_minutes) and now - self.saved_at >= 60 * settings.save_minutes),
        ]
        if self.runtime.world_size > 1:
            wishes = self.runtime.largest(wishes) if step % AGREE_EVERY == 0 else [0, 0, 0]
        reason = INTERRUPTED if wishes[0] else OUT_OF_TIME if wishes[1] else ""
        return reason, save_steps or bool(wishes[2])

    def _settle(self, wish: str, save: bool) -> str:
        """Validates and saves what is due; returns why the training ends here, if it does."""
        standing, timeline = self.standing, self.timeline
        finished = standing.step >= timeline.total
        due = timeline.validates(standing.step)
        if wish and not finished:
            # Whoever bounds the time wants the weights reached in it; whoever interrupts does not want to wait.
            due = wish == OUT_OF_TIME and self.settings.validate_every > 0
            self.run.log({"event": wish, "resume": "the run can be resumed from here", **self._place()})
        validate = due and standing.validated < standing.step and wish != INTERRUPTED
        if validate:
            self._validate()
        save = save or bool(wish) or finished or timeline.ends_epoch(standing.step)
        if validate or (save and self.saved_step < standing.step):
            self._save()
        if wish == INTERRUPTED:
            return wish
        if finished:
            return FINISHED
        waited = timeline.epochs_done(standing.step - standing.best_step)
        if self.settings.patience and standing.validated and waited >= self.settings.patience:
            return EARLY_STOP
        return wish

    def _validate(self) -> None:
        """Scores the model as it stands, and releases its weights if they are the best so far."""
        self._check()
        self.updater.share_buffers()
        with torch.random.fork_rng(devices=_cuda(self.runtime)), evaluation_mode(self.model):
            scores = self.task.validate(self.model)
        scores = json.loads(self.runtime.share(json.dumps(scores)))
        if "score" not in scores:
            raise ValueError(f"the validation gave {', '.join(scores)}, but no score")
        standing = self.standing
        standing.validated = standing.step
        best = -math.inf if standing.best_score is None else standing.best_score
        better = scores["score"] > best  # never where the score is nan
        self.run.log({**self._place(), "validation": scores, "best": better})
        self.run.scalars(standing.step, {f"validation/{name}": value for name, value in scores.items()})
        self.progress.advance(0, note=f"score {scores['score']:.4f}")
        if better:
            standing.best_score, standing.best_step = scores["score"], standing.step
            self._release(scores)

    def _release(self, scores: Mapping[str, float]) -> None:
        """Stores the weights for others, with what they scored."""
        facts = {**self.header, **self._place(), "score": scores.get("score"), "validation": dict(scores)}
        self.run.save_best(self.model.state_dict(), facts)

    def _log(self) -> None:
        self.meter.read(self.runtime, self.standing.step)
        means, rates, now = self.meter.means(), self.updater.rates(), time.monotonic()
        speed = (self.standing.step - self.logged_step) / max(now - self.logged_at, 1e-9)
        self.logged_step, self.logged_at = self.standing.step, now
        self.run.log({**self._place(), "losses": means, "rates": rates, "steps_per_second": round(speed, 4)})
        scalars = {f"loss/{name}": value for name, value in means.items()}
        self.run.scalars(self.standing.step, scalars | {f"rate/{name}": value for name, value in rates.items()})
        self.progress.advance(0, note=f"loss {means['total']:.4f}")

    def _check(self) -> None:
        """Nothing that is not finite may be saved or scored."""
        self.meter.read(self.runtime, self.standing.step)
        self.updater.check_finite(self.standing.step)

    def _save(self) -> None:
        """Replaces the state to resume from."""
        self._check()
        self.saved_step, self.saved_at = self.standing.step, time.monotonic()
        random_states = self._random_states()
        if self.run.writes:
            self.run.save_state(
                {
                    "standing": msgspec.structs.asdict(self.standing),
                    "course": self._course(),
                    "updater": self.updater.state(),
                    "meter": self.meter.state(),
                    "random": random_states,
                    "log_size": self.run.log_size(),
                }
            )

    def _restore(self, content: Mapping[str, Any]) -> int:
        """Continues from what was saved, and gives the size of the log at that time."""
        source, rank = str(self.run.folder / LAST), self.runtime.rank
        state = training_state(content, source, course=self._course(), rank=rank)
        self.updater.load_state(msgspec.structs.asdict(state.updater), source)
        self.meter.load_state(state.meter)
        self.standing = Standing(**msgspec.structs.asdict(state.standing))
        set_random_state(state.random["cpu"][rank], source)
        if _cuda(self.runtime) and "cuda" in state.random:
            set_random_state(state.random["cuda"][rank], source, self.runtime.device)
        return state.log_size

    def _random_states(self) -> dict[str, Tensor]:
        """The state of each process's generators, one row per process."""
        states = {"cpu": self.runtime.gather_rows(torch.get_rng_state()[None])}
        if _cuda(self.runtime):
            states["cuda"] = self.runtime.gather_rows(torch.cuda.get_rng_state(self.runtime.device)[None])
        return states

    def _course(self) -> dict[str, int]:
        """What a saved state must agree with, beside the settings."""
        return {
            "batches per epoch": self.timeline.batches_per_epoch,
            "steps in all": self.timeline.total,
            "processes": self.runtime.world_size,
        }

    def _place(self) -> dict[str, Any]:
        step = self.standing.step
        return {"step": step, "epoch": round(self.timeline.epochs_done(step), 4), "time": round(time.time(), 3)}


def _cuda(runtime: Runtime) -> list[torch.device]:
    """The device whose generator must be kept, besides the CPU's."""
    return [runtime.device] if runtime.device.type == "cuda" else []
