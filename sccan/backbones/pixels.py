"""How pictures are normalised: by whose mean and deviation, and from one pair to another.

Letters: N pictures, H W picture size.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pixels:
    """Mean and deviation of red, green and blue, of values in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MEAN = tuple(255 * value for value in IMAGENET.mean)
STD = tuple(255 * value for value in IMAGENET.std)
"""Those of ImageNet on the 0-255 scale."""


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


def normalize(images: Tensor) -> Tensor:
    """(x - mean) / std of images [..., 3, H, W] on the 0-255 scale, uint8 or float; float32 on the same device.

    Mean and deviation are ImageNet's.
    """
    mean, std = _statistics(images.device)
    return (images.to(torch.float32) - mean).div_(std)


def denormalize(images: Tensor) -> Tensor:
    """Images [..., 3, H, W] on the 0-255 scale, float32, from what `normalize` made of them."""
    mean, std = _statistics(images.device)
    return (images.to(torch.float32) * std).add_(mean)


@functools.cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation, [3, 1, 1]; kept on the device, since bringing them there would wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(MEAN, dtype=torch.float32, device=device).view(3, 1, 1), torch.tensor(
            STD, dtype=torch.float32, device=device
        ).view(3, 1, 1)
