"""Random transforms of one picture at a time, with numpy and Pillow: an oracle, and what batches are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from sccan.classification.data.transforms.augmentation import BOX, COLOURS, ERASED, FLIPPED, Augmentation
from sccan.classification.data.transforms.colour_jitter import MILLION, ORDERS
from sccan.classification.data.transforms.fixed import FixedTransform

ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def enhanced(picture: np.ndarray, row: Sequence[int]) -> np.ndarray:
    """A picture changed by Pillow according to a row of `jitter_numbers`."""
    image = Image.fromarray(picture)
    for kind in ORDERS[row[3]]:
        image = ENHANCERS[kind](image).enhance(row[kind] / MILLION)
    return np.asarray(image)


def augmented_picture(
    picture: np.ndarray, row: Sequence[int], augmentation: Augmentation, fixed: FixedTransform
) -> Tensor:
    """The image [3, H, W] of a stored picture [h, w, 3] and a row of `Augmentation.draw`, for padded crops."""
    pad = augmentation.pad
    top, left, height, width = row[BOX]
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
    cut = padded[top + pad : top + pad + height, left + pad : left + pad + width]
    cut = enhanced(cut, row[COLOURS]) if augmentation.jitter else cut
    image = fixed(cut[:, ::-1].copy() if row[FLIPPED] else cut)
    top, left, height, width = row[ERASED]
    image[:, top : top + height, left : left + width] = torch.tensor(augmentation.erase_fill).view(3, 1, 1)
    return image
