"""How a model is run: evaluation mode, numeric precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from sccan.engine.precisions import PRECISIONS
from sccan.errors import InputError


@contextlib.contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Every submodule in evaluation mode inside the block, and in its own mode again after it."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def check_precision(name: str) -> None:
    """Raises InputError: the name is none of float32, bf16 and fp16."""
    if name not in PRECISIONS:
        raise InputError(f"precision {name!r} is unknown; use one of {', '.join(PRECISIONS)}")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which operations run in a lower precision where that is safe; without effect for float32."""
    dtype = getattr(torch, PRECISIONS[precision]) if PRECISIONS[precision] else None
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
