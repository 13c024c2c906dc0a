"""Frozen backbones made faster for as long as they only infer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

import torch
from torch import nn

from sccan.backbones.folding import fold_frozen_norms, fold_in_place
from sccan.backbones.stage import Backbone


@contextlib.contextmanager
def folded_backbones(model: nn.Module, *, enabled: bool = True) -> Iterator[None]:
    """Inside the block, frozen backbones have their norms folded into the convolutions, and weights channels-last.

    Maps differ by rounding alone, some 1e-5 of their size. After the block the model holds its own modules again,
    which were not touched.

    Args:
        model: a method; the backbones are found wherever they stand in it.
        enabled: False leaves everything as it is.
    """
    with FoldedBackbones(model) if enabled else contextlib.nullcontext():
        yield


def fold_backbones(model: nn.Module) -> None:
    """The same for good, for a model that is never saved nor trained; nothing is copied."""
    for backbone in {id(child): child for _, _, child in _frozen(model)}.values():
        _channels_last(fold_in_place(backbone))


class FoldedBackbones:
    """The folded copies of a model's frozen backbones, which take their places inside ``with`` blocks.

    The copies are made once, so their weights are those that the backbones had then.
    """

    def __init__(self, model: nn.Module) -> None:
        places = list(_frozen(model))
        copies = {id(child): _channels_last(fold_frozen_norms(child)) for _, _, child in places}
        self._places = [(parent, name, child, copies[id(child)]) for parent, name, child in places]

    def __enter__(self) -> None:
        for parent, name, _, copy in self._places:
            setattr(parent, name, copy)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for parent, name, own, _ in self._places:
            setattr(parent, name, own)


def _frozen(model: nn.Module) -> Iterator[tuple[nn.Module, str, Backbone]]:
    """Where the frozen backbones of a model stand, and which they are."""
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, Backbone) and child.frozen:
                yield parent, name, child


def _channels_last(backbone: Backbone) -> Backbone:
    # Channels-last keeps a position's channels together, which priors and 1x1 convolutions read one after another.
    return backbone.to(memory_format=torch.channels_last)
