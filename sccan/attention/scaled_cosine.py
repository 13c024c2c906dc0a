"""Scaled-cosine attention: a window attends to itself by dot product and to an aligned window by cosine (SCCAN).

Letters: N maps, M windows, P tokens per window, C channels, A heads, D = C / A channels per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.errors import InputError


class ScaledCosineAttention(nn.Module):
    """Multi-head attention of windows to themselves and, where given, to one memory of keys and values per window.

    The memory is computed apart (`memory`), because one support window serves many query windows and many queries.
    """

    def __init__(self, dim: int, heads: int) -> None:
        """
        Raises InputError: `dim` is no multiple of `heads`.
        """
        super().__init__()
        if dim % heads:
            raise InputError(f"{dim} channels cannot be shared by {heads} heads; choose a multiple of {heads}")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.projection = nn.Linear(dim, dim)

    def memory(self, windows: Tensor) -> Tensor:
        """Keys of length one, and values, of windows that others will attend to.

        Args:
            windows: [N, M, P, C].

        Returns:
            [N, M, 2, A, P, D]: keys, then values.
        """
        key, value = self._heads(self.key_value(windows), 2)
        return torch.stack([F.normalize(key, dim=-1), value], dim=2)

    def forward(self, windows: Tensor, memory: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            windows: [N, M, P, C].
            memory: what `memory` gave for the window that each of `windows` is aligned with, [N, M, 2, A, P', D];
                without it, windows attend to themselves only.

        Returns:
            [N, M, P, C].
        """
        (query,) = self._heads(self.query(windows), 1)
        key, value = self._heads(self.key_value(windows), 2)  # [N, M, A, P, D]
        out = scaled_cosine_attention(query, key, value, *(memory.unbind(2) if memory is not None else ()))
        return self.projection(out.transpose(-2, -3).flatten(-2))

    def _heads(self, tokens: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[N, M, P, parts * C] to `parts` tensors [N, M, A, P, D]; heads are contiguous groups of channels."""
        split = tokens.unflatten(-1, (parts, self.heads, -1))  # [N, M, P, parts, A, D]
        return split.permute(3, 0, 1, 4, 2, 5).unbind(0)


def scaled_cosine_attention(
    query: Tensor, key: Tensor, value: Tensor, unit_key: Tensor | None = None, cross_value: Tensor | None = None
) -> Tensor:
    """One softmax over two groups of keys: scaled dot products with `key`, bare cosines with `unit_key`.

    The cosines have neither a temperature nor the factor 1 / sqrt(D), as published. A vector of length zero has the
    cosine 0 with everything. Windows are small, and for them plain products are up to twice as fast on a CPU as
    torch's fused attention, which could express the cosines only with doubled channels.

    Args:
        query: [..., P, D].
        key, value: [..., P, D].
        unit_key: keys of length one (or zero), [..., P', D]; none, and the attention is an ordinary one.
        cross_value: [..., P', D], together with `unit_key`.

    Returns:
        [..., P, D].
    """
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if unit_key is not None and cross_value is not None:
        cross = F.normalize(query, dim=-1) @ unit_key.transpose(-1, -2)
        logits, value = torch.cat([logits, cross], dim=-1), torch.cat([value, cross_value], dim=-2)
    return logits.softmax(-1) @ value
