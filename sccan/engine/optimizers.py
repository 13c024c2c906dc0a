"""One optimiser per named parameter group, each with its own schedule.

A rate is a pure function of the step, so nothing about schedules is stored and resuming is exact. SCCAN's published
recipe is two groups: SGD with the poly schedule for the head, and AdamW at a constant rate for the transformer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sccan.engine.training_state import load_optimizer
from sccan.errors import InputError, nearest

ALGORITHMS = ("sgd", "adamw", "adam")
SCHEDULES = ("constant", "poly", "cosine", "steps")


@dataclass(frozen=True)
class OptimizerSettings:
    """How one parameter group is optimised.

    Attributes:
        algorithm: sgd | adamw | adam.
        lr: the rate that is really used where the schedule's factor is 1.
        momentum: of SGD.
        nesterov: of SGD.
        betas: of Adam and AdamW.
        weight_decay: added to the gradient (SGD, Adam), or decoupled (AdamW).
        schedule: constant | poly | cosine | steps; see `rate`.
        power: of poly.
        warmup_steps: steps before which the rate rises linearly; 0: none.
        warmup_start: share of `lr` at which the rise starts.
        minimum: lowest share of `lr` that a schedule reaches.
        milestones: for steps: shares of the whole training, ascending, at which the rate is multiplied by `factor`.
        factor: for steps.
        shares: for steps: the share of `lr` from each milestone on, where it is no power of `factor`.
    """

    algorithm: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-4
    schedule: str = "constant"
    power: float = 0.9
    warmup_steps: int = 0
    warmup_start: float = 0.1
    minimum: float = 0.0
    milestones: tuple[float, ...] = ()
    factor: float = 0.1
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            hint = nearest(self.algorithm, ALGORITHMS)
            raise InputError(f"optimiser {self.algorithm!r} is unknown; use one of {', '.join(ALGORITHMS)}{hint}")
        if self.schedule not in SCHEDULES:
            hint = nearest(self.schedule, SCHEDULES)
            raise InputError(f"schedule {self.schedule!r} is unknown; use one of {', '.join(SCHEDULES)}{hint}")
        if not (math.isfinite(self.lr) and self.lr >= 0):
            raise InputError(f"the learning rate must be a number of at least 0, but is {self.lr}")
        if self.weight_decay < 0 or self.warmup_steps < 0:
            raise InputError(
                f"weight decay and warm-up steps must not be negative, but are {self.weight_decay} and "
                f"{self.warmup_steps}"
            )
        if not 0 <= self.momentum < 1 or len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(
                f"momentum and the two betas must lie in [0, 1), but are {self.momentum} and {tuple(self.betas)}"
            )
        if self.algorithm == "sgd" and self.nesterov and self.momentum == 0:
            raise InputError("Nesterov needs a momentum above 0; raise the momentum or switch Nesterov off")
        if list(self.milestones) != sorted(self.milestones) or not all(0 < m < 1 for m in self.milestones):
            raise InputError(
                f"milestones are ascending shares of the training between 0 and 1, but got {tuple(self.milestones)}"
            )
        if self.shares and len(self.shares) != len(self.milestones):
            raise InputError(
                f"there are {len(self.milestones)} milestones, but {len(self.shares)} shares of the learning rate; "
                "give one for each, or none"
            )


def rate(settings: OptimizerSettings, step: int, total: int) -> float:
    """The learning rate of one step.

    With t the number of the step counted from 1, T the number of all steps and W those of the warm-up:
    poly: lr (1 - t/T)^power, as published for PSPNet, BAM and SCCAN; the last step runs with 0.
    cosine: lr (1 + cos(pi (t - W) / (T - W))) / 2.
    steps: lr factor^(number n of milestones passed), or lr shares[n - 1]; a milestone m is passed from the step on that
        follows round(m T) steps.
    During the warm-up (t < W): lr (s + (1 - s) t/W) with s the start, instead of the schedule.

    Args:
        step: number of the step, from 1.
        total: number of steps of the whole training.
    """
    if step < settings.warmup_steps:
        return settings.lr * (settings.warmup_start + (1 - settings.warmup_start) * step / settings.warmup_steps)
    if settings.schedule == "poly":
        share = (1 - step / total) ** settings.power
    elif settings.schedule == "cosine":
        span = max(total - settings.warmup_steps, 1)
        share = 0.5 * (1 + math.cos(math.pi * (step - settings.warmup_steps) / span))
    elif settings.schedule == "steps":
        # Rounded, so that a milestone written with a few digits (0.6667 of 27000) falls on the step that is meant.
        passed = sum(round(milestone * total) <= step - 1 for milestone in settings.milestones)
        share = settings.factor**passed if not settings.shares or not passed else settings.shares[passed - 1]
    else:
        share = 1.0
    return settings.lr * max(share, settings.minimum)


class Optimizers:
    """The optimisers of a model, by the name of their parameter group.

    Args:
        groups: parameters by name, every trainable one exactly once (`Method.parameter_groups`); one that is empty,
            since all of it is frozen, has settings and no optimiser.
        settings: settings under the same names.
        total: number of steps of the whole training.

    Raises InputError: settings name a group that the model lacks, or miss one.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[nn.Parameter]], settings: Mapping[str, OptimizerSettings], total: int
    ) -> None:
        for name in settings:
            if name not in groups:
                raise InputError(
                    f"optimiser settings name the parameter group {name!r}, but the model has {', '.join(groups)}"
                    f"{nearest(name, groups)}"
                )
        for name in groups:
            if name not in settings:
                raise InputError(
                    f"the parameter group {name!r} has no optimiser; give settings for each of {', '.join(groups)}"
                )
        learning = {name: parameters for name, parameters in groups.items() if parameters}
        self._settings = {name: settings[name] for name in learning}
        self._optimizers = {name: _optimizer(learning[name], settings[name]) for name in learning}
        self._total = total

    def set_rates(self, step: int) -> None:
        """Sets every group's rate for the step with this number, counted from 1."""
        for name, optimizer in self._optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate(self._settings[name], step, self._total)

    def rates(self) -> dict[str, float]:
        """The rates now set, by group."""
        return {name: float(optimizer.param_groups[0]["lr"]) for name, optimizer in self._optimizers.items()}

    def zero_grad(self) -> None:
        """Drops every gradient."""
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def unscale(self, scaler: torch.amp.GradScaler) -> None:
        """Takes the scaler's factor out of the gradients, so that they can be clipped."""
        for optimizer in self._optimizers.values():
            scaler.unscale_(optimizer)

    def step(self, scaler: torch.amp.GradScaler) -> None:
        """One step of every optimiser; the scaler, if enabled, skips those whose gradients overflowed."""
        for optimizer in self._optimizers.values():
            scaler.step(optimizer)
        scaler.update()

    def state(self) -> dict[str, Any]:
        """Plain data to resume from."""
        return {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state` returned.

        Raises InputError: it belongs to other groups or other parameters.
        """
        if set(state) != set(self._optimizers):
            raise InputError(
                f"the training state has optimisers for {', '.join(state)}, but the model has "
                f"{', '.join(self._optimizers)}; resume with the settings that the run began with"
            )
        for name, optimizer in self._optimizers.items():
            load_optimizer(optimizer, state[name], name)


def _optimizer(parameters: Sequence[nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    # Fused kernels save launches on CUDA and need no synchronisation with a gradient scaler; on the CPU torch's own
    # choice stands.
    fused = True if all(parameter.is_cuda for parameter in parameters) else None
    if settings.algorithm == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
            fused=fused,
        )
    kind = torch.optim.AdamW if settings.algorithm == "adamw" else torch.optim.Adam
    return kind(parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=fused)
