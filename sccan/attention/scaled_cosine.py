"""Scaled-cosine attention: a window attends to itself by dot product and to an aligned window by cosine (SCCAN).

Letters: N maps, M windows, P tokens per window, C channels, A heads, D = C / A channels per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.errors import InputError
from sccan.pointwise import TokenLinear

LOGITS = 2**19
"""Attention logits computed at a time on a CPU where nothing is learned: 2 MiB, which its caches hold."""


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
        self.query = TokenLinear(dim, dim)
        self.key_value = TokenLinear(dim, 2 * dim)
        self.projection = TokenLinear(dim, dim)

    def memory(self, windows: Tensor) -> Tensor:
        """Keys of length one, and values, of windows that others will attend to.

        Args:
            windows: [N, M, P, C].

        Returns:
            [N, M, 2, A, P, D]: keys, then values.
        """
        key, value = self._heads(self.key_value(windows), 2)
        return torch.stack([unit(key), value], dim=2)

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
    cosine 0 with everything. On CUDA this is one fused attention, so that the weights of all windows are never stored;
    on a CPU plain products are faster where there are cosines, a few windows at a time where no gradient is asked for.

    Args:
        query: [N, M, A, P, D].
        key, value: [N, M, A, P, D].
        unit_key: keys of length one (or zero), [N, M, A, P', D]; none, and the attention is an ordinary one.
        cross_value: [N, M, A, P', D], together with `unit_key`.

    Returns:
        [N, M, A, P, D].
    """
    if unit_key is None or cross_value is None:
        if torch.jit.is_tracing():
            return (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)).softmax(-1) @ value
        return _fused(query, key, value, scale=query.shape[-1] ** -0.5)
    if query.device.type == "cpu":
        if torch.is_grad_enabled() or torch.jit.is_tracing():
            return plain_attention(query, key, value, unit_key, cross_value)
        per_window = query.shape[0] * query.shape[2:-1].numel() * (key.shape[-2] + unit_key.shape[-2])
        together = max(1, LOGITS // per_window)
        parts = (tensor.split(together, dim=1) for tensor in (query, key, value, unit_key, cross_value))
        return torch.cat([plain_attention(*part) for part in zip(*parts, strict=True)], dim=1)
    return fused_attention(query, key, value, unit_key, cross_value)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, unit_key: Tensor, cross_value: Tensor) -> Tensor:
    """`scaled_cosine_attention` as two products, a softmax and a product."""
    dots = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    cosines = unit(query) @ unit_key.transpose(-1, -2)
    return torch.cat([dots, cosines], dim=-1).softmax(-1) @ torch.cat([value, cross_value], dim=-2)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, unit_key: Tensor, cross_value: Tensor) -> Tensor:
    """`scaled_cosine_attention` as one call of torch's fused attention, on channels twice as many.

    The query is [q / sqrt(D), q / |q|]; keys of its own window are [k, 0], the others [0, k / |k|]. So every product is
    the logit itself. Values keep their D channels.
    """
    width = query.shape[-1]
    both = torch.cat([query * width**-0.5, unit(query)], dim=-1)  # [N, M, A, P, 2 D]
    keys = torch.cat([F.pad(key, (0, width)), F.pad(unit_key, (width, 0))], dim=-2)  # [N, M, A, P + P', 2 D]
    return _fused(both, keys, torch.cat([value, cross_value], dim=-2), scale=1.0)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] brought to length one; their lengths are taken in float32 whatever the precision around.

    A vector of zeros stays one.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        return F.normalize(vectors.float(), dim=-1).to(vectors.dtype)


def _fused(query: Tensor, key: Tensor, value: Tensor, *, scale: float) -> Tensor:
    """Attention of [N, M, A, P, D]; torch's fused kernels want four dimensions."""
    flat, keys, values = (tensor.flatten(0, 1) for tensor in (query, key, value))
    return F.scaled_dot_product_attention(flat, keys, values, scale=scale).unflatten(0, query.shape[:2])
