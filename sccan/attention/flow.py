"""Flows dy/dt = rate(y) from t = 0 to 1, integrated."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Rate = Callable[[Tensor], Tensor]
Flow = Callable[[Rate, Tensor], Tensor]
"""Takes dy/dt as a function of y, and y(0); returns y(1)."""


def three_eighths_step(rate: Rate, start: Tensor) -> Tensor:
    """One Runge-Kutta step of the 3/8 rule."""
    k1 = rate(start)
    k2 = rate(start + k1 / 3)
    k3 = rate(start + k2 - k1 / 3)
    k4 = rate(start + k1 - k2 + k3)
    return start + (k1 + 3 * (k2 + k3) + k4) / 8


def solver(method: str, tolerance: float) -> Flow:
    """A solver of torchdiffeq by its name there.

    Args:
        method: dopri5, bosh3, adaptive_heun ... choose their steps by the tolerance; rk4, midpoint, euler make one.
        tolerance: relative and absolute.

    Raises:
        ModuleNotFoundError: torchdiffeq is not installed.
        ValueError: it has no such method; the message names those it has.
    """
    torchdiffeq: Any = importlib.import_module("torchdiffeq")

    def flow(rate: Rate, start: Tensor) -> Tensor:
        times = torch.tensor([0.0, 1.0], device=start.device)
        ends: Tensor = torchdiffeq.odeint(
            lambda _, y: rate(y), start, times, method=method, rtol=tolerance, atol=tolerance
        )
        return ends[-1]

    flow(torch.neg, torch.ones(1))  # torchdiffeq tells an unknown method when it is used
    return flow
