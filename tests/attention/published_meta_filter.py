"""The published arithmetic of DMF's head, pair by pair and step by step: an oracle, and a measure of what is saved.

Every pair (query, class) gets copies of both maps; offsets and filters are convolutions over all pairs; the flow is one
step of the 3/8 rule, each of whose four evaluations unfolds the maps and multiplies windows by filters.
Letters: B episodes, N ways, Q queries, C channels, G groups, M = B * Q * N pairs, k filter size, h w map size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import deform_conv2d

from sccan.attention.meta_filter import MetaFilter


def published_scores(module: MetaFilter, class_maps: Tensor, query_maps: Tensor, kernels: Tensor) -> Tensor:
    """Scores [B, N, Q, h, w] of class maps [B, N, C, h, w], query maps [B, Q, C, h, w] and class vectors [B, N, C]."""
    (n_batch, n_class), n_query, side = class_maps.shape[:2], query_maps.shape[1], query_maps.shape[-2:]
    classes = class_maps.unsqueeze(1).repeat(1, n_query, 1, 1, 1, 1).flatten(0, 2)  # [M, C, h, w]
    queries = query_maps.unsqueeze(2).repeat(1, 1, n_class, 1, 1, 1).flatten(0, 2)
    offsets = F.conv2d(torch.cat([queries, classes], dim=1), module.offset.weight, padding=2)
    filters = deform_conv2d(classes, offsets, module.project.weight, padding=1).sigmoid()
    filtered = _flow(queries, filters, module.groups, module.size)
    vectors = kernels.unsqueeze(1).repeat(1, n_query, 1, 1).flatten(0, 2)  # [M, C]
    maps = filtered.reshape(1, -1, *side)
    scores = F.conv2d(maps, vectors[:, :, None, None], groups=len(vectors)).view(n_batch, n_query, n_class, *side)
    return scores.transpose(1, 2)


def _flow(maps: Tensor, filters: Tensor, groups: int, size: int) -> Tensor:
    k1 = _response(maps, filters, groups, size)
    k2 = _response(maps + k1 / 3, filters, groups, size)
    k3 = _response(maps + k2 - k1 / 3, filters, groups, size)
    k4 = _response(maps + k1 - k2 + k3, filters, groups, size)
    return maps + (k1 + 3 * (k2 + k3) + k4) / 8


def _response(maps: Tensor, filters: Tensor, groups: int, size: int) -> Tensor:
    """The windows of every position, group by group, times the position's own filter, rectified."""
    n_pairs, channels, height, width = maps.shape
    windows = F.unfold(maps, size, padding=size // 2).view(n_pairs, groups, channels // groups, size * size, -1)
    windows = windows.permute(0, 1, 4, 2, 3).reshape(-1, channels // groups, size * size)  # [M * G * h * w, R, k * k]
    taps = filters.view(n_pairs, groups, size * size, -1).permute(0, 1, 3, 2).reshape(-1, size * size, 1)
    result = torch.bmm(windows, taps).view(n_pairs, groups, height * width, channels // groups)
    return result.permute(0, 1, 3, 2).reshape(n_pairs, channels, height, width).relu()
