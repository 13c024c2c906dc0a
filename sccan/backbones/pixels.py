"""How pictures are normalised: by whose mean and deviation, and from one pair to another.

Letters: N pictures, H W picture size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pixels:
    """Mean and deviation of red, green and blue, of values in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Renormalised(nn.Module):
    """Pictures [N, 3, H, W] normalised by one pair, as another pair would have normalised them; it keeps no state."""

    def __init__(self, before: Pixels, after: Pixels) -> None:
        super().__init__()
        old, new = (torch.tensor([pixels.mean, pixels.std], dtype=torch.float64) for pixels in (before, after))
        self.same = before == after
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", (old[1] / new[1]).float().view(3, 1, 1), persistent=False)
        self.register_buffer("shift", ((old[0] - new[0]) / new[1]).float().view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return images if self.same else images * self.scale + self.shift
