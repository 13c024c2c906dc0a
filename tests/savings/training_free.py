"""INSID3 and FROST: fewer channels where positions are gone, pairs that are compared once, pairs that need not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.stage import Backbone, Stage
from sccan.episodes.episode import Features
from sccan.segmentation.methods.frost import COLOURS, FLIPPED, FROST
from sccan.segmentation.methods.insid3 import INSID3
from sccan.segmentation.parts.positions import position_free_basis
from sccan.segmentation.parts.views import map_name
from tests.savings.measure import Saving
from tests.segmentation.methods.plain_training_free import (
    conditioned_frost,
    insid3,
    positional_basis,
    queried_frost,
)

STAGE, PATCH = "tokens", 16
THINGS = 40
"""Kinds of things in the made-up pictures, each a direction of its own; neighbouring cells mostly show the same."""


class KnownTokens(Backbone):
    """What a black picture's tokens are; nothing else is ever asked of it."""

    def __init__(self, positions: Tensor) -> None:
        super().__init__()
        self.stages, self.known = {STAGE: Stage(len(positions), PATCH)}, positions

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        return {STAGE: self.known[None]}


@dataclass(frozen=True)
class MadeUp:
    """A made-up episode: what positions add to tokens, tokens of references, their mirror pictures and a query."""

    positions: Tensor
    references: Tensor
    flipped: Tensor
    query: Tensor
    labels: Tensor
    colours: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.labels.shape[-2], self.labels.shape[-1]

    @property
    def masks(self) -> Tensor:
        """On the grid, bool [K, h, w]."""
        return self.labels[:, PATCH // 2 :: PATCH, PATCH // 2 :: PATCH] == 1


def made_up(small: bool, shots: int) -> MadeUp:
    """64 x 64 cells of 1024 channels, as DINOv3-L gives them of a picture of 1024 x 1024."""
    channels, side = (24, 10) if small else (1024, 64)
    generator = torch.Generator().manual_seed(1)
    things = torch.randn(THINGS, channels, generator=generator)
    smooth = torch.randn(1, channels, 5, 5, generator=generator)
    places = 0.5 * F.interpolate(smooth, size=(side, side), mode="bicubic")[0]
    places = places + 0.1 * torch.randn(channels, side, side, generator=generator)

    def tokens(seed: int) -> tuple[Tensor, Tensor]:
        drawn = torch.Generator().manual_seed(seed)
        coarse = torch.randint(0, THINGS, (1, 1, 8, 8), generator=drawn).float()
        coarse[..., 2:5, 3:6] = 0  # the object
        kinds = F.interpolate(coarse, size=(side, side), mode="nearest")[0, 0].long()
        noise = 0.5 * torch.randn(channels, side, side, generator=drawn)
        return things[kinds].permute(2, 0, 1) + places + noise, (kinds == 0).long()

    pairs = [tokens(2 + number) for number in range(shots)]
    labels = torch.stack([mask.repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1) for _, mask in pairs])
    references = torch.stack([own for own, _ in pairs])
    colours = torch.rand(3, side, side, generator=generator)
    return MadeUp(
        places + things.mean(0)[:, None, None], references, references.flip(-1), tokens(100)[0], labels, colours
    )


def basis(small: bool) -> Saving:
    """What debiasing keeps, from C x C eigenvectors."""
    episode, rank = made_up(small, 1), 12 if small else 500
    channels = len(episode.positions)
    what = f"INSID3, basis of rank {rank}, {_shape(episode)}"

    def projector(removed: Tensor) -> Tensor:
        return torch.eye(channels) - removed @ removed.T

    def before() -> list[Tensor]:
        return [projector(positional_basis(episode.positions, rank))]

    def after() -> list[Tensor]:
        kept = position_free_basis(episode.positions, rank)
        return [kept @ kept.T]

    return Saving(what, before, after, tolerance=1e-3)


def insid3_query(shots: int, small: bool) -> Saving:
    """One query, the references known."""
    episode, rank = made_up(small, shots), 12 if small else 500
    method = INSID3(KnownTokens(episode.positions), stages=(STAGE,), rank=rank).eval()
    removed = positional_basis(episode.positions, rank)
    query = Features({STAGE: episode.query[None, None]}, episode.size)
    state = method.condition(Features({STAGE: episode.references[None]}, episode.size), episode.labels[None])

    @torch.inference_mode()
    def before() -> list[Tensor]:
        found = insid3(episode.query, list(episode.references), list(episode.masks), removed)
        return [found.candidates.float(), found.scores]

    @torch.inference_mode()
    def after() -> list[Tensor]:
        found = method.scored(query, state)[0][0]
        assert found.scores is not None
        return [found.candidates.float(), found.scores]

    what = f"INSID3, one query, {shots} reference{'s' if shots > 1 else ''}, {_shape(episode)}"
    return Saving(what, before, after, tolerance=1e-4, memory=True)


def frost_condition(small: bool) -> Saving:
    """Whitening and bandwidth from one reference and its mirror picture."""
    episode, method, support, removed = _frost(small)

    @torch.inference_mode()
    def before() -> list[Tensor]:
        known = conditioned_frost(_views(episode), _view_masks(episode), removed)
        return [known.prototype.norm()[None], torch.tensor([known.bandwidth, known.margin])]

    @torch.inference_mode()
    def after() -> list[Tensor]:
        known = method.condition(support, episode.labels[None])[0]
        return [known.prototype.norm()[None], torch.tensor([known.bandwidth.sigma, known.bandwidth.margin])]

    return Saving(f"FROST, 1 reference, {_shape(episode)}", before, after, tolerance=1e-4, memory=True)


def frost_query(small: bool) -> Saving:
    """Votes, densities and smoothing of one query."""
    episode, method, support, removed = _frost(small)
    state = method.condition(support, episode.labels[None])
    known = conditioned_frost(_views(episode), _view_masks(episode), removed)
    query = Features({STAGE: episode.query[None, None], COLOURS: episode.colours[None, None]}, episode.size)

    @torch.inference_mode()
    def before() -> list[Tensor]:
        found = queried_frost(episode.query, episode.colours, removed, known)
        return [found.candidates.float(), found.log_ratio, found.smoothed]

    @torch.inference_mode()
    def after() -> list[Tensor]:
        found = method.ratios(query, state)[0][0]
        return [found.candidates.float(), found.log_ratio, found.smoothed]

    return Saving(f"FROST, one query, 1 reference, {_shape(episode)}", before, after, tolerance=1e-4, memory=True)


def _frost(small: bool) -> tuple[MadeUp, FROST, Features, Tensor]:
    episode, rank = made_up(small, 1), 6 if small else 250
    method = FROST(KnownTokens(episode.positions), stages=(STAGE,), rank=rank).eval()
    maps = {STAGE: episode.references[None], map_name(FLIPPED, STAGE): episode.flipped[None]}
    return episode, method, Features(maps, episode.size), positional_basis(episode.positions, rank)


def _views(episode: MadeUp) -> list[Tensor]:
    return [*episode.references, *episode.flipped]


def _view_masks(episode: MadeUp) -> list[Tensor]:
    return [*episode.masks, *episode.masks.flip(-1)]


def _shape(episode: MadeUp) -> str:
    return " x ".join(map(str, episode.query.shape))


SAVINGS: dict[str, Callable[[bool], Saving]] = {
    "insid3-basis": basis,
    "insid3-1-reference": partial(insid3_query, 1),
    "insid3-5-references": partial(insid3_query, 5),
    "frost-reference": frost_condition,
    "frost-query": frost_query,
}
