"""Patch alignment: for every window of a query, the window of the support set that resembles it most (SCCAN).

Everything here runs in float32 whatever the precision around it: whether a window counts as foreground is an exact
comparison with a small constant, and the choice is discrete.

Letters: B episodes, Q queries, M windows, P tokens per window, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASS = 5e-4  # added to the mask mass of a window, as in the published code
COSINE_EPSILON = 1e-7


def support_prototypes(windows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Foreground prototype of every support window, and whether the window holds any foreground.

    Args:
        windows: support features, [B, M, P, C].
        mask: foreground weight in [0, 1], [B, M, P].

    Returns:
        Prototypes [B, M, C], float32, and validity [B, M], bool: any mask mass that float32 can see makes a window
        valid.
    """
    with torch.no_grad(), torch.autocast(windows.device.type, enabled=False):
        weight = mask.float()
        mass = weight.mean(-1) * weight.shape[-1] + MASS
        sums = (weight.unsqueeze(-2) @ windows.float()).squeeze(-2)  # [B, M, C]
        return sums / mass.unsqueeze(-1), mass != torch.full_like(mass, MASS)


def align(windows: Tensor, prototypes: Tensor, valid: Tensor) -> Tensor:
    """Index of the support window that every query window is aligned with.

    The score of a pair is (cosine + 1) / 2, and 0 for a support window without foreground; the highest wins, the
    lowest index on ties. Without any valid window every query window is aligned with window 0.

    Args:
        windows: query features, [B, Q, M, P, C].
        prototypes: of the support windows, [B, M', C].
        valid: whether a support window may be chosen, [B, M'].

    Returns:
        Support window indices in [0, M'), int64, [B, Q, M]. No gradient passes through the choice.
    """
    with torch.no_grad(), torch.autocast(windows.device.type, enabled=False):
        query = windows.float().mean(-2).flatten(1, 2)  # [B, QM, C]
        norms = query.norm(dim=-1).unsqueeze(-1) * prototypes.norm(dim=-1).unsqueeze(-2)
        cosine = query @ prototypes.transpose(-1, -2) / (norms + COSINE_EPSILON)  # [B, QM, M']
        score = (cosine + 1) / 2 * valid.unsqueeze(-2)
        return score.argmax(-1).view(windows.shape[:3])
