"""A backbone whose deepest maps pass through a filter, such as tSF's neck."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sccan.backbones.stage import Backbone


class NeckedBackbone(Backbone):
    """Any backbone with any block that takes maps and gives maps; to a method it is a backbone like others.

    The filter knows one picture at a time, so its maps can be cached like the backbone's. It computes in float32;
    autocast reaches the backbone only.
    """

    def __init__(self, bare: Backbone, neck: nn.Module, stage: str) -> None:
        """
        Args:
            bare: the backbone.
            neck: from maps [N, C, h, w] to maps of the same shape.
            stage: whose maps it filters.

        Raises InputError: the backbone has no such stage.
        """
        super().__init__()
        bare.stage(stage)
        self.stages = bare.stages
        self.bare, self.neck, self.filtered = bare, neck, stage

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = self.bare(images, last)
        if self.filtered not in maps:
            return maps
        deepest = maps[self.filtered].float()
        with torch.autocast(deepest.device.type, enabled=False):
            return {**maps, self.filtered: self.neck(deepest)}
