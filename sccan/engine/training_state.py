"""What a saved training state must hold, and what in it must fit the model before anything is taken from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from sccan.errors import InputError
from sccan.files.structured import Count, Finite, Name, as_kind


class Standing(msgspec.Struct):
    """What a training has reached; saved as it is.

    Attributes:
        step: steps done.
        validated: step of the latest validation.
        best_score: the best validation's, None before any.
        best_step: its step.
    """

    step: Count = 0
    validated: Count = 0
    best_score: Finite | None = None
    best_step: Count = 0


class SavedStanding(Standing):
    """The same, every field said."""

    step: Count
    validated: Count
    best_score: Finite | None
    best_step: Count


class Meter(msgspec.Struct):
    names: list[Name]
    sums: list[Finite]
    count: Count


class Updates(msgspec.Struct):
    model: dict[str, Tensor]
    optimizers: dict[str, dict[str, Any]]
    scaler: dict[str, Any]


class TrainingState(msgspec.Struct):
    """A training as `last.pt` keeps it."""

    standing: SavedStanding
    course: dict[str, Count]
    updater: Updates
    meter: Meter
    random: dict[str, Tensor]
    log_size: Count


def training_state(content: Mapping[str, Any], source: str, *, course: Mapping[str, int], rank: int) -> TrainingState:
    """What a file holds as a training state.

    Args:
        source: begins an error message.
        course: what the state must agree with, beside the settings; ``steps in all`` among them.
        rank: of this process.

    Raises InputError: a part is missing or of another kind, belongs to another course, a weight is not finite, or
        counts contradict each other.
    """
    state: TrainingState = as_kind(dict(content), TrainingState, source)
    standing, meter = state.standing, state.meter
    for name, value in course.items():
        if state.course.get(name) != value:
            raise InputError(
                f"{source} was trained with {name} {state.course.get(name)}, but now there are {value}; resume with "
                "the data and the number of processes that the run began with"
            )
    steps = course["steps in all"]
    if not max(standing.validated, standing.best_step) <= standing.step <= steps:
        raise InputError(
            f"{source}: step {standing.step} of {steps}, validated at {standing.validated}, best at "
            f"{standing.best_step}; the file is damaged, start the run anew"
        )
    if len(meter.names) != len(meter.sums) and meter.sums:
        raise InputError(f"{source}: {len(meter.sums)} sums of {len(meter.names)} losses; the file is damaged")
    for name, weight in state.updater.model.items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise InputError(f"{source}: the weight {name} is not finite; start the run anew")
    for kind, rows in state.random.items():
        if rows.dtype != torch.uint8 or rows.ndim != 2 or len(rows) <= rank:
            found = f"{rows.dtype} {list(rows.shape)}"
            raise InputError(f"{source}: random.{kind}: expected uint8 [processes, bytes], found {found}")
    if "cpu" not in state.random:
        raise InputError(f"{source}: random: missing required field 'cpu'")
    return state


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], name: str) -> None:
    """Continues an optimiser from what it had gathered; rates and decays stay those of the settings.

    Args:
        name: of the parameter group, for the message.

    Raises InputError: the state is another optimiser's, or holds numbers that are not finite.
    """
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(dict(state))
        for group, options in zip(optimizer.param_groups, own, strict=True):
            group.update(options)
        unfit = _unfit(optimizer)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        unfit = str(error) or type(error).__name__
    if unfit:
        raise InputError(
            f"the state of the optimiser {name!r} does not fit the model ({unfit}); resume with the settings that the "
            "run began with"
        )


def set_random_state(state: Tensor, source: str, device: torch.device | None = None) -> None:
    """Continues a generator: the CPU's, or that of a CUDA device. Raises InputError: it is no state of one."""
    try:
        # A clone: torch crashes on a state that lies in the middle of another tensor.
        if device is None:
            torch.set_rng_state(state.clone())
        else:
            torch.cuda.set_rng_state(state.clone(), device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{source}: random: no state of a generator ({error}); start the run anew") from error


def _unfit(optimizer: torch.optim.Optimizer) -> str:
    parameters: Iterable[nn.Parameter] = (one for group in optimizer.param_groups for one in group["params"])
    for number, parameter in enumerate(parameters):
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                if value.ndim and value.shape != parameter.shape:
                    return f"{key} of parameter {number} is {list(value.shape)}, not {list(parameter.shape)}"
                if not value.isfinite().all():
                    return f"{key} of parameter {number} is not finite"
            elif value is not None:
                return f"{key} of parameter {number} is a {type(value).__name__}"
    return ""
