"""Random brightness, contrast and saturation of whole batches, with Pillow's rounding.

The field's "colour jitter" without hue: three factors and an order of the three steps per picture.
Letters: n pictures, H W size.
"""

from __future__ import annotations

import itertools

import numpy as np
from torch import Tensor

from sccan.classification.data.transforms.fixed import constant
from sccan.errors import InputError

MILLION = 1_000_000
"""Factors travel as millionths, so that all random numbers of a picture are whole."""
BRIGHTNESS, CONTRAST, SATURATION = range(3)
ORDERS = list(itertools.permutations((BRIGHTNESS, CONTRAST, SATURATION)))
"""The first is the fixed order of CloserLookFewShot."""
GREY = (19595.0, 38470.0, 7471.0)
"""Weights of red, green and blue in 65536ths, as Pillow has them."""


def check_strength(strength: float) -> None:
    """Raises InputError: the strength is negative."""
    if not strength >= 0:
        raise InputError(f"PICTURE.JITTER is {strength}, but must not be negative; 0 switches it off")


def jitter_numbers(uniform: np.ndarray, strength: float, *, in_order: bool = False) -> np.ndarray:
    """Factors of brightness, contrast and saturation, uniform in 1 - strength .. 1 + strength, and the order.

    Args:
        uniform: numbers in [0, 1), [n, 4].
        in_order: always brightness, contrast, saturation.

    Returns:
        Three factors in millionths and the number of the order, int64 [n, 4].
    """
    lowest = max(0.0, 1 - strength)
    factors = np.rint((lowest + (1 + strength - lowest) * uniform[:, :3]) * MILLION)
    order = np.zeros(len(uniform)) if in_order else np.floor(uniform[:, 3] * len(ORDERS))
    return np.concatenate([factors, order[:, None]], 1).astype(np.int64)


def jittered(pixels: Tensor, drawn: Tensor) -> Tensor:
    """Pictures with their colours changed.

    Every step blends a picture with what it would be at factor 0: black (brightness), its mean grey (contrast), or
    itself in greys (saturation).

    Args:
        pixels: bytes, or as many levels in float32, [n, 3, H, W].
        drawn: rows of `jitter_numbers`, [n, 4], on the same device.

    Returns:
        Whole levels as float32, [n, 3, H, W].
    """
    factors = drawn[:, :3].float() / MILLION
    orders = constant(tuple(float(step) for order in ORDERS for step in order), pixels.device).long().view(-1, 3)
    steps = orders[drawn[:, 3]]  # [n, 3]
    levels = pixels.float()
    for position in range(3):
        kind = steps[:, position, None, None, None]
        factor = factors.gather(1, steps[:, position : position + 1])[:, :, None, None]
        grey = _grey(levels)
        mean = (grey.mean((2, 3), keepdim=True) + 0.5).floor_()
        blank = grey.mul_(kind == SATURATION).add_(mean * (kind == CONTRAST))  # [n, 1, H, W]
        levels = (levels - blank).mul_(factor).add_(blank).clamp_(0, 255).floor_()  # cut off, not rounded
    return levels


def _grey(levels: Tensor) -> Tensor:
    """[n, 1, H, W] of [n, 3, H, W]: all sums are whole and below 2 ** 24, so float32 holds them exactly."""
    red, green, blue = (levels[:, plane, None] * weight for plane, weight in enumerate(GREY))
    return red.add_(green).add_(blue).add_(32768).div_(65536).floor_()
