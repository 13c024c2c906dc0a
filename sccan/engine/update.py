"""One update of a model's weights: precision, accumulation, clipping, several processes, several optimisers."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sccan.backbones.weights import load_strict
from sccan.engine.distributed import Runtime
from sccan.engine.folded import FoldedBackbones
from sccan.engine.modes import autocast
from sccan.engine.optimizers import Optimizers, OptimizerSettings
from sccan.errors import InputError

BUFFER_SWITCH = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")  # the name from torch 2.15 on, and before
    if name in inspect.signature(DistributedDataParallel).parameters
)
"""What tells torch not to send buffers at every step."""


class Updater:
    """A model with all that changes its weights; its state is exact to resume from.

    Args:
        model: gives `model(batch)`, `model.loss(outputs, batch)` with an entry ``total``, and
            `model.parameter_groups()` with every trainable parameter exactly once.
        optimizers: settings for every parameter group.
        total: number of steps of the whole training.
        runtime: where it runs; the model is moved there.
        precision: float32 | bf16 | fp16.
        clip_norm: largest norm of all gradients together; 0: no clipping.
        fold: fold the norms of frozen backbones meanwhile (`engine.folded`).
        compiled: run forward and loss as compiled code (`torch.compile`).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Mapping[str, OptimizerSettings],
        total: int,
        runtime: Runtime,
        *,
        precision: str = "float32",
        clip_norm: float = 0.0,
        fold: bool = True,
        compiled: bool = False,
    ) -> None:
        self._fold, self._compiled = fold, compiled
        self.model, self._runtime, self._clip_norm = model.to(runtime.device), runtime, clip_norm
        groups = _checked_groups(model)
        self._trainable = [parameter for group in groups.values() for parameter in group]
        self._optimizers = Optimizers(groups, optimizers, total)
        self._autocast = autocast(runtime.device, precision)
        self._scaler = torch.amp.GradScaler(runtime.device.type, enabled=precision == "fp16")
        self._losses: LossOf | DistributedDataParallel | None = None
        self._backbones: contextlib.AbstractContextManager[None] = contextlib.nullcontext()

    def step(self, number: int, batches: Iterable[Any], count: int) -> dict[str, Tensor]:
        """One update.

        Args:
            number: of the step, from 1; the schedules follow it.
            batches: on the device.
            count: how many there are; their gradients are averaged.

        Returns:
            The losses, averaged over the batches, without gradient, still on the device.
        """
        first = self._losses is None
        if self._losses is None:
            self._losses = self._wrapped()
            self._backbones = FoldedBackbones(self.model) if self._fold else self._backbones
        losses_of = self._losses
        self._optimizers.set_rates(number)
        means: dict[str, Tensor] = {}
        for index, batch in enumerate(batches):
            # Gradients travel between processes with the last batch only.
            alone = losses_of if index < count - 1 and isinstance(losses_of, DistributedDataParallel) else None
            with alone.no_sync() if alone is not None else contextlib.nullcontext():
                with self._autocast, self._backbones:
                    losses = losses_of(batch)
                self._scaler.scale(losses["total"] / count).backward()
            for name, value in losses.items():
                part = value.detach().float() / count
                means[name] = means[name] + part if name in means else part
        if first:
            self._check_reached()
        if self._clip_norm:
            self._optimizers.unscale(self._scaler)
            nn.utils.clip_grad_norm_(self._trainable, self._clip_norm)
        self._optimizers.step(self._scaler)
        self._optimizers.zero_grad()
        return means

    def rates(self) -> dict[str, float]:
        """The learning rates of the latest step, by parameter group."""
        return self._optimizers.rates()

    def check_finite(self, step: int) -> None:
        """Waits for the device and looks at every trainable weight.

        Raises InputError: one is not finite.
        """
        if not torch.stack([parameter.isfinite().all() for parameter in self._trainable]).all():
            raise InputError(
                f"the weights are not finite after step {step}; what was saved before stands; lower the learning rate, "
                "clip the gradients or look at the data"
            )

    def share_buffers(self) -> None:
        """Gives every process the buffers (running statistics) of the main one.

        Training does not read them, so they need not travel at every step.
        """
        self._runtime.broadcast_(self.model.buffers())

    def state(self) -> dict[str, Any]:
        """Plain data to resume from."""
        return {
            "model": self.model.state_dict(),
            "optimizers": self._optimizers.state(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any], source: str) -> None:
        """Continues from what `state` returned; to be called before the first step.

        Args:
            source: what an error message calls the state.

        Raises InputError: it does not fit the model.
        """
        load_strict(self.model, state["model"], source=source, excused=())
        self._optimizers.load_state(state["optimizers"])
        if self._scaler.is_enabled():
            try:
                self._scaler.load_state_dict(state["scaler"])
            except (RuntimeError, LookupError, TypeError, ValueError) as error:
                raise InputError(f"{source}: the state of the gradient scaler does not fit ({error})") from error

    def _wrapped(self) -> LossOf | DistributedDataParallel:
        losses: LossOf | DistributedDataParallel = LossOf(self.model)
        if self._runtime.world_size > 1:
            self.share_buffers()
            switch: dict[str, Any] = {BUFFER_SWITCH: False}
            losses = DistributedDataParallel(losses, gradient_as_bucket_view=True, **switch)
        if self._compiled:
            losses.compile(dynamic=False)  # after the wrapping, as torch wants it: then gradients travel meanwhile
        return losses

    def _check_reached(self) -> None:
        """Several processes would wait for ever for a gradient that never comes, so this is an error with one as well.

        Raises ValueError: a trainable parameter got no gradient.
        """
        names = [n for n, p in self.model.named_parameters() if p.requires_grad and p.grad is None]
        if names:
            raise ValueError(f"no gradient reaches {', '.join(names)}; set requires_grad to False for what is unused")


class LossOf(nn.Module):
    """A model and its loss as one module, so that what is wrapped around it sees every use of a parameter."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model  # with a loss, which nn.Module does not declare

    def forward(self, batch: Any) -> dict[str, Tensor]:
        return self.model.loss(self.model(batch), batch)


def _checked_groups(model: Any) -> dict[str, list[nn.Parameter]]:
    """The model's parameter groups.

    Raises ValueError: a trainable parameter is in none or in two of them, or a frozen one is in one.
    """
    groups: dict[str, list[nn.Parameter]] = model.parameter_groups()
    times = Counter(id(parameter) for group in groups.values() for parameter in group)
    for name, parameter in model.named_parameters():
        found, expected = times[id(parameter)], int(parameter.requires_grad)
        if found != expected:
            raise ValueError(
                f"parameter {name} stands {found} times in the parameter groups, but "
                f"{'every trainable one belongs there once' if expected else 'it is frozen'}"
            )
    return groups
