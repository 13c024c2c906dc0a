"""Further views of examples: maps of the same picture seen otherwise, kept beside its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from sccan.episodes.episode import Features
from sccan.episodes.index import IGNORE


def map_name(view: str, stage: str) -> str:
    """What a stage's map of a view is called. It comes before every stage, so that none is `Features.deepest`."""
    return f"({view}) {stage}"


def with_view(features: Features, name: str, view: Features, stages: Sequence[str]) -> Features:
    """The features, and beside them the maps of some stages of another view of the same pictures."""
    further = {map_name(name, stage): view.maps[stage] for stage in stages}
    return Features({**features.maps, **further}, features.image_size)


def view_of(features: Features, name: str, stages: Sequence[str]) -> Features:
    """The view that was put beside the features under a name. Raises KeyError: none was."""
    return Features({stage: features.maps[map_name(name, stage)] for stage in stages}, features.image_size)


def shifted(images: Tensor, down: int, right: int) -> Tensor:
    """Pictures [N, C, H, W] moved by whole pixels; what comes in from outside is mirrored at the border."""
    height, width = images.shape[-2:]
    return F.pad(images, (right, 0, down, 0), mode="reflect")[..., :height, :width]


def shifted_labels(labels: Tensor, down: int, right: int) -> Tensor:
    """Labels [..., H, W] of pictures that are moved so; what comes in from outside is ignored."""
    height, width = labels.shape[-2:]
    return F.pad(labels, (right, 0, down, 0), value=IGNORE)[..., :height, :width]
