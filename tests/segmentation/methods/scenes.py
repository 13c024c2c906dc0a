"""Episodes of made-up scenes for the made-up encoder, and what the plain arithmetic takes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sccan.backbones.pixels import normalize
from sccan.episodes.episode import Episode
from sccan.reference import fill
from sccan.reference.toy_encoder import TOKENS, ToyEncoder
from sccan.segmentation.parts.cells import cell_masks, mean_colours
from tests.segmentation.methods.plain_training_free import positional_basis

CHANNELS, PATCH = 48, 16


def toy_encoder(position: float = 1.0) -> ToyEncoder:
    return ToyEncoder(CHANNELS, patch=PATCH, position=position).freeze()


def scenes(
    height: int = 128, width: int = 160, *, seeds: tuple[int, ...] = (0, 1), shots: int = 3, queries: int = 2
) -> Episode:
    """One episode per seed; a rim of every support is ignored."""
    supports = [[fill.scene(f"support_{k}", (height, width), seed=seed) for k in range(shots)] for seed in seeds]
    wanted = [[fill.scene(f"query_{q}", (height, width), seed=seed) for q in range(queries)] for seed in seeds]
    (support, support_labels), (query, query_labels) = (_stacked(pairs) for pairs in (supports, wanted))
    return Episode(
        support, support_labels, query, query_labels, torch.ones(len(seeds), 1).long(), torch.arange(len(seeds))
    )


def _stacked(pairs: list[list[tuple[np.ndarray, np.ndarray]]]) -> tuple[Tensor, Tensor]:
    pictures, masks = (torch.from_numpy(np.array([[pair[i] for pair in own] for own in pairs])) for i in (0, 1))
    return pictures, masks


@dataclass(frozen=True)
class PlainInputs:
    """What the plain arithmetic takes of one query of an episode."""

    query: Tensor
    references: list[Tensor]
    masks: list[Tensor]
    flipped: list[Tensor]
    flipped_masks: list[Tensor]
    colours: Tensor
    basis: Tensor


def plain_inputs(encoder: ToyEncoder, episode: Episode, b: int, q: int, rank: int) -> PlainInputs:
    assert episode.support_images is not None
    assert episode.query_images is not None
    pictures, picture, labels = episode.support_images[b], episode.query_images[b, q : q + 1], episode.support_labels[b]
    black = normalize(torch.zeros_like(picture))
    grid = picture.shape[-2] // PATCH, picture.shape[-1] // PATCH
    masks, flipped = (list(cell_masks(some, grid).foreground.unflatten(-1, grid)) for some in (labels, labels.flip(-1)))
    colours = mean_colours(_colours(picture), grid)[0]
    tokens = [list(encoder(some)[TOKENS]) for some in (picture, pictures, pictures.flip(-1), black)]
    return PlainInputs(
        tokens[0][0], tokens[1], masks, tokens[2], flipped, colours, positional_basis(tokens[3][0], rank)
    )


def _colours(picture: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (picture * std + mean).clamp(0, 1)
