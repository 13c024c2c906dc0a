"""Scene difference: how far the styles of two pictures are apart, by Gram matrices of a low stage (BAM, Eq. 7 to 9).

Letters: C channels, h w map.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-7


def gram_matrix(maps: Tensor) -> Tensor:
    """Cosines between the channels of a map, [..., C, C] of maps [..., C, h, w]; in float32, without gradient.

    G_ij = A_i . A_j / (|A_i||A_j| + 1e-7), where A_i is channel i over all positions.
    """
    with torch.no_grad(), torch.autocast(maps.device.type, enabled=False):
        channels = maps.float().flatten(-2)  # [..., C, h*w]
        lengths = channels.norm(dim=-1)
        products = channels @ channels.transpose(-1, -2)
        return products / (lengths.unsqueeze(-1) * lengths.unsqueeze(-2) + EPSILON)


def scene_difference(first: Tensor, second: Tensor) -> Tensor:
    """Frobenius norm of the difference of Gram matrices [..., C, C], as a share of that of a matrix of ones, [...]."""
    return torch.linalg.matrix_norm(first - second) / first.shape[-1]
