"""What a method keeps of its examples, as tensors with names, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def named_tensors(state: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors and fractional numbers of a state, each with the way to it: ``blocks.0.memory``.

    Args:
        state: tensors, numbers, tuples and dataclasses in one another.
        name: of the state itself.
    """
    if isinstance(state, Tensor):
        yield name, state
    elif isinstance(state, float):
        yield name, torch.tensor(state)
    else:
        for key, value in _parts(state):
            yield from named_tensors(value, f"{name}.{key}" if name else key)


def with_tensors(state: Any, tensors: Iterator[Tensor]) -> Any:
    """The state with other tensors in the places of its own and of its fractional numbers, in the same order."""
    if isinstance(state, (Tensor, float)):
        return next(tensors)
    if isinstance(state, tuple):
        return tuple(with_tensors(value, tensors) for value in state)
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return dataclasses.replace(state, **{key: with_tensors(value, tensors) for key, value in _parts(state)})
    return state


def _parts(state: Any) -> list[tuple[str, Any]]:
    if isinstance(state, tuple):
        return [(str(number), value) for number, value in enumerate(state)]
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return [(field.name, getattr(state, field.name)) for field in dataclasses.fields(state)]
    return []
