"""Means of the losses between two log lines, without waiting for the device at every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sccan.engine.distributed import Runtime
from sccan.engine.training_state import Meter
from sccan.errors import InputError


class LossMeter:
    """Collects the losses of each step on the device and reads them only when asked."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pending: list[Tensor] = []
        self._sums: list[float] = []
        self._count = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """The losses of one step, scalars under the same names at every step."""
        names = list(losses)
        if self._names and names != self._names:
            raise ValueError(f"losses were named {self._names} and are now named {names}; every step needs all of them")
        self._names = names
        self._pending.append(torch.stack([value.detach().float() for value in losses.values()]))

    def read(self, runtime: Runtime, step: int) -> None:
        """Brings the pending losses, averaged over the processes, to the host and checks them.

        Args:
            runtime: all its processes must call.
            step: number of the step that was added last.

        Raises InputError: a loss is not finite on some process; the line names the step.
        """
        if not self._pending:
            return
        rows = runtime.mean(torch.stack(self._pending).double()).tolist()
        first = step - len(rows) + 1
        self._pending.clear()
        self._sums = self._sums or [0.0] * len(self._names)
        for number, row in enumerate(rows, start=first):
            bad = [name for name, value in zip(self._names, row, strict=True) if not math.isfinite(value)]
            if bad:
                raise InputError(
                    f"the loss {bad[0]!r} is not finite at step {number}; what was saved before stands; lower the "
                    "learning rate, clip the gradients or look at the data"
                )
            self._sums = [total + value for total, value in zip(self._sums, row, strict=True)]
            self._count += 1

    def means(self) -> dict[str, float]:
        """Means since the last call; `read` must have been called before."""
        means = {name: total / self._count for name, total in zip(self._names, self._sums, strict=True)}
        self._sums, self._count = [], 0
        return means

    def state(self) -> dict[str, Any]:
        """Plain data to resume from; `read` must have been called before."""
        return {"names": self._names, "sums": self._sums, "count": self._count}

    def load_state(self, state: Meter) -> None:
        """Continues from what `state` returned."""
        self._names, self._sums, self._count = list(state.names), list(state.sums), state.count
