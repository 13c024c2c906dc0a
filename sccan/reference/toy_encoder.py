"""The made-up encoder of the training-free cases as a backbone: patches, and a smooth function of their place."""

from __future__ import annotations

import torch
from torch import Tensor

from sccan.backbones.stage import Backbone, Stage
from sccan.reference import fill

TOKENS = "tokens"


class ToyEncoder(Backbone):
    """`fill.toy_tokens`, one stage called ``tokens``. It has no weights, and computes on the CPU in float64."""

    positions = True

    def __init__(self, channels: int, *, patch: int = 16, position: float = 1.0) -> None:
        """
        Args:
            channels: of the tokens.
            patch: side of a cell, in pixels; sides of pictures are multiples of it.
            position: how much tokens tell of their place.
        """
        super().__init__()
        self.stages = {TOKENS: Stage(channels, patch)}
        self.position = position

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        stage = self.stages[TOKENS]
        tokens = fill.toy_tokens(images.cpu().numpy(), stage.channels, stage.stride, self.position)
        return {TOKENS: torch.from_numpy(tokens).to(images.device)}
