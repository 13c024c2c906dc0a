"""Cutting parts out of a batch of pictures and resizing them, with Pillow's filters, in two matrix products.

Pillow's resize is linear in either direction: every output row is a weighted mean of input rows under a filter that
grows as it shrinks. With the weights of every picture as a matrix a batch needs no loop.
Letters: n pictures, h w size of the pictures, H W size of the result.
"""

from __future__ import annotations

import torch
from torch import Tensor


def resized_parts(pixels: Tensor, boxes: Tensor, flipped: Tensor, size: tuple[int, int], kind: str) -> Tensor:
    """Parts of pictures at another size.

    Pillow also rounds between the two directions (in an order that its versions choose differently); this rounds once.

    Args:
        pixels: bytes [n, 3, h, w].
        boxes: row, column, height and width of the part, [n, 4], on the same device.
        flipped: 1 where left and right are to be swapped, [n].
        size: H and W.
        kind: ``bilinear`` or ``bicubic``.

    Returns:
        Whole levels as float32, [n, 3, H, W].
    """
    height, width = pixels.shape[-2:]
    down = weights(boxes[:, 0], boxes[:, 2], height, size[0], kind)  # [n, H, h]
    across = weights(boxes[:, 1], boxes[:, 3], width, size[1], kind)  # [n, W, w]
    across = torch.where(flipped[:, None, None] == 1, across.flip(1), across)
    stacked = pixels.float().flatten(1, 2)  # [n, 3 * h, w]
    narrow = (stacked @ across.transpose(1, 2)).unflatten(1, (3, height))  # [n, 3, h, W]
    return (down[:, None] @ narrow).add_(0.5).floor_().clamp_(0, 255)


def weights(start: Tensor, length: Tensor, whole: int, wanted: int, kind: str) -> Tensor:
    """What each of `whole` cells gives to each of `wanted` output cells of the part start .. start + length, [n, H, h].

    Rows sum to one; cells outside the part give nothing.
    """
    scale = length.float()[:, None, None] / wanted
    reach = scale.clamp_min(1.0)  # the filter grows where the part shrinks
    target = (torch.arange(wanted, device=start.device)[:, None] + 0.5) * scale  # [n, H, 1]
    source = torch.arange(whole, device=start.device)[None, None] - start[:, None, None]  # [n, 1, h]
    distance = ((source + 0.5 - target) / reach).abs()
    inside = (source >= 0) & (source < length[:, None, None])
    value = torch.where(inside, _bilinear(distance) if kind == "bilinear" else _bicubic(distance), 0.0)
    return value / value.sum(-1, keepdim=True)


def _bilinear(distance: Tensor) -> Tensor:
    return (1 - distance).clamp_min(0)


def _bicubic(distance: Tensor) -> Tensor:
    """The cubic convolution with parameter -0.5."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
