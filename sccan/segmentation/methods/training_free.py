"""What methods share that learn nothing: a frozen backbone and closed-form arithmetic on its cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.parts.frozen_cells import FrozenCells

CERTAIN = 10.0
"""Logit of what is decided without a number, either way."""


class TrainingFreeMethod(Method):
    """A frozen backbone and closed-form arithmetic; subclasses say what `condition` and `predict` do.

    Attributes:
        backbone: frozen.
        cells: its cells.
    """

    def __init__(self, backbone: Backbone, stages: Sequence[str], *, rank: float = 0) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells; several are joined at the grid of the first.
            rank: of positional debiasing, a share of the channels below 1 or a number; 0 for backbones whose features
                do not know their place (convolutions).

        Raises InputError: the backbone has no such stage, or the rank leaves nothing.
        """
        super().__init__()
        self.backbone = backbone.freeze()
        self.cells = FrozenCells(backbone, stages, rank=rank)

    def encode(self, images: Tensor) -> Features:
        with torch.no_grad():
            maps = self.backbone(images)
        features = Features({name: maps[name] for name in self.cells.stages}, (images.shape[-2], images.shape[-1]))
        return Features({**features.maps, **self.beside(features, images)}, features.image_size)

    def beside(self, features: Features, images: Tensor) -> dict[str, Tensor]:
        """Further maps that the method wants of pictures whose cells are known; here none.

        Args:
            features: with the maps of the method's stages, [N, C, h, w].
            images: normalised RGB, [N, 3, H, W].
        """
        return {}

    def look_once(self) -> None:
        """Examples are encoded as queries are from now on, without further views of them; here they always are."""

    def check_size(self, query: Features, support_size: tuple[int, int]) -> None:
        """Raises ValueError: queries have another size than the supports, and so other positions."""
        if self.cells.rank and query.image_size != support_size:
            raise ValueError(f"queries are {query.image_size} but supports {support_size}; resize them to one size")

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        """Raises ValueError: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} has nothing to train")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """None: there is nothing to train."""
        return {}
