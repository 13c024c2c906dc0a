"""What the training loop is told, what a task brings to it, and what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from sccan.engine.modes import check_precision
from sccan.errors import InputError

FINISHED, EARLY_STOP, INTERRUPTED, OUT_OF_TIME = "finished", "early stop", "interrupted", "out of time"


class TrainingTask(Protocol):
    """What a task brings to the loop: its data and its validation."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch and process."""

    def batches(self, epoch: int, first_step: int) -> Iterator[Any]:
        """This process's batches of an epoch from a batch on, depending on (seed, epoch, batch, rank) only."""

    def prepare(self, batch: Any, device: torch.device) -> Any:
        """The batch on the device, as the model takes it."""

    def validate(self, method: nn.Module) -> dict[str, float]:
        """Scores of the model as it stands; runs on all processes. ``score`` selects: larger is better."""


@dataclass(frozen=True)
class TrainSettings:
    """How long and how to train.

    Attributes:
        epochs: length of the training.
        seed: of what the model draws (dropout); each process has its own stream.
        accumulation: batches per step, a step being one update of the weights.
        clip_norm: largest norm of all gradients together; 0: no clipping.
        precision: float32 | bf16 | fp16; the latter two run under autocast, fp16 with scaled gradients.
        validate_every: epochs between validations, also less than 1; 0: none.
        patience: epochs without a better score after which training stops; 0: never.
        save_steps: steps between saved states, besides those after every epoch and validation; 0: none.
        save_minutes: minutes between them, likewise; 0: none.
        max_steps: bound on the steps of the whole training, which schedules run towards; 0: none.
        max_minutes: bound on the minutes of this process, after which the run stops and can be resumed; 0: none.
        log_every: steps between log lines.
        fold_norms: fold the norms of frozen backbones into their convolutions while training runs (same numbers to
            rounding).
        compiled: run forward and loss through `torch.compile` (same numbers to rounding; dropout draws others).
    """

    epochs: int
    seed: int = 0
    accumulation: int = 1
    clip_norm: float = 0.0
    precision: str = "float32"
    validate_every: float = 1.0
    patience: float = 0.0
    save_steps: int = 0
    save_minutes: float = 10.0
    max_steps: int = 0
    max_minutes: float = 0.0
    log_every: int = 10
    fold_norms: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        check_precision(self.precision)
        for name in ("epochs", "accumulation", "log_every"):
            if getattr(self, name) < 1:
                raise InputError(f"training setting {name} must be at least 1, but is {getattr(self, name)}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and not value >= 0:
                raise InputError(f"training setting {field.name} must not be negative, but is {value}")


@dataclass(frozen=True)
class TrainResult:
    """How a training ended.

    Attributes:
        reason: finished | early stop | interrupted | out of time.
        step: steps done.
        total: steps of the whole training.
        best_score: of the released weights; None if nothing was validated.
        best_step: when it was reached.
    """

    reason: str
    step: int
    total: int
    best_score: float | None
    best_step: int

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to resume."""
        return self.reason in (FINISHED, EARLY_STOP)
