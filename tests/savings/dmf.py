"""DMF: filters and scores of pairs without filtered maps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sccan.attention.meta_filter import MetaFilter
from tests.attention.published_meta_filter import published_scores
from tests.savings.measure import Saving

WAYS = 5


def evaluation(small: bool) -> Saving:
    """Scores of a test episode with 64 groups of channels."""
    head, maps, shape = _inputs(small, groups=64, queries=75, batch=1)

    @torch.inference_mode()
    def before() -> list[Tensor]:
        return [published_scores(head, *maps)]

    @torch.inference_mode()
    def after() -> list[Tensor]:
        return [head.scores(head.prepare(maps[0]), *maps[1:])]

    return Saving(f"DMF's head, test, {shape}", before, after, tolerance=1e-5, memory=True)


def training(small: bool) -> Saving:
    """Forward and backward with a filter for every channel."""
    return _training(small, batch=1, timed=True)


def training_of_four(small: bool) -> Saving:
    """The memory of a step of four episodes."""
    return _training(small, batch=4, timed=False)


def _training(small: bool, *, batch: int, timed: bool) -> Saving:
    head, maps, shape = _inputs(small, groups=640, queries=30, batch=batch)
    leaves = [*(part.requires_grad_() for part in maps), *head.parameters()]

    def before() -> list[Tensor]:
        scores = published_scores(head, *maps)
        return [scores.detach(), *torch.autograd.grad(scores.square().mean(), leaves)]

    def after() -> list[Tensor]:
        scores = head.scores(head.prepare(maps[0]), *maps[1:])
        return [scores.detach(), *torch.autograd.grad(scores.square().mean(), leaves)]

    what = f"DMF's head, training, {shape}"
    return Saving(what, before, after, tolerance=1e-4, memory=True, timed=timed)


def _inputs(small: bool, *, groups: int, queries: int, batch: int) -> tuple[MetaFilter, tuple[Tensor, ...], str]:
    """Head, class maps, query maps and class vectors, and how they are described."""
    channels, side = (20, 5) if small else (640, 11)
    groups, queries = (groups // 32, queries // 10) if small else (groups, queries)
    torch.manual_seed(0)
    head, generator = MetaFilter(channels, groups=groups), torch.Generator().manual_seed(1)
    shapes = (batch, WAYS, channels, side, side), (batch, queries, channels, side, side), (batch, WAYS, channels)
    maps = tuple(torch.randn(*shape, generator=generator) for shape in shapes)
    episodes = "" if batch == 1 else f", {batch} episodes"
    return head, maps, f"G = {groups}, {channels} x {side} x {side}, {queries} queries{episodes}"


SAVINGS: dict[str, Callable[[bool], Saving]] = {
    "dmf-test": evaluation,
    "dmf-training": training,
    "dmf-memory": training_of_four,
}
