"""Random brightness, contrast and saturation of whole batches of bytes, with Pillow's rounding.

The field's "colour jitter" without hue: three factors and a random order of the three steps per picture.
Letters: n pictures, H W size.
"""

from __future__ import annotations

import itertools
import random

import torch
from torch import Tensor

from sccan.errors import InputError

MILLION = 1_000_000
"""Factors travel as millionths, so that all random numbers of a picture are whole."""
BRIGHTNESS, CONTRAST, SATURATION = range(3)
ORDERS = list(itertools.permutations((BRIGHTNESS, CONTRAST, SATURATION)))
GREY = (19595, 38470, 7471)
"""Weights of red, green and blue in 65536ths, as Pillow has them."""


def check_strength(strength: float) -> None:
    """Raises InputError: the strength is negative."""
    if not strength >= 0:
        raise InputError(f"PICTURE.JITTER is {strength}, but must not be negative; 0 switches it off")


def draw_jitter(generator: random.Random, strength: float) -> list[int]:
    """Factors of brightness, contrast and saturation, uniform in 1 - strength .. 1 + strength, and the order."""
    factors = [round(generator.uniform(max(0.0, 1 - strength), 1 + strength) * MILLION) for _ in range(3)]
    return [*factors, generator.randrange(len(ORDERS))]


def jittered(pixels: Tensor, drawn: Tensor) -> Tensor:
    """Pictures with their colours changed.

    Every step blends a picture with what it would be at factor 0: black (brightness), its mean grey (contrast), or
    itself in greys (saturation).

    Args:
        pixels: bytes [n, H, W, 3].
        drawn: rows of `draw_jitter`, [n, 4], on the same device.
    """
    factors = drawn[:, :3].float() / MILLION
    steps = torch.tensor(ORDERS, device=drawn.device)[drawn[:, 3]]  # [n, 3]
    for position in range(3):
        kind = steps[:, position, None, None, None]
        factor = factors.gather(1, steps[:, position : position + 1])[:, :, None, None]
        grey = _grey(pixels)
        mean = (grey.float().mean((1, 2, 3), keepdim=True) + 0.5).floor()
        blank = torch.where(kind == BRIGHTNESS, 0, torch.where(kind == CONTRAST, mean, grey.float()))
        blended = blank + factor * (pixels.float() - blank)
        pixels = blended.clamp(0, 255).to(torch.uint8)  # cut off, not rounded
    return pixels


def _grey(pixels: Tensor) -> Tensor:
    """[n, H, W, 1] of [n, H, W, 3], whole numbers."""
    weights = torch.tensor(GREY, device=pixels.device, dtype=torch.int32)
    return ((pixels.int() * weights).sum(-1, keepdim=True, dtype=torch.int32) + 32768) >> 16
