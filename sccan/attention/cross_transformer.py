"""The self-calibrated cross transformer of SCCAN, as a block that knows no task.

A query attends, window by window, to itself and to the support window that resembles it most. The support set attends
to itself only, so everything about it is computed once (`condition`) and serves any number of queries.

Letters: B episodes, Q queries, N = B * Q, C channels, H W map, M windows, P tokens per window, A heads, D = C / A.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sccan.attention.alignment import align, support_prototypes
from sccan.attention.scaled_cosine import ScaledCosineAttention
from sccan.attention.windows import WindowLayout
from sccan.pointwise import TokenLinear


@dataclass(frozen=True)
class BlockSupport:
    """What one block keeps of B support sets.

    Attributes:
        memory: keys and values of the support windows, [B, M, 2, A, P, D].
        prototypes: foreground prototypes of the windows, [B, M, C].
        valid: whether a window holds foreground, [B, M].
    """

    memory: Tensor
    prototypes: Tensor
    valid: Tensor


class CrossTransformer(nn.Module):
    """Blocks in a row, every second one with its windows shifted by half a window, and a norm at the end.

    The number of cells is free: maps need not be square, nor multiples of the window (`WindowLayout` pads them).
    """

    def __init__(self, dim: int, *, depth: int = 8, heads: int = 8, window: int = 8, mlp_ratio: float = 1.0) -> None:
        """
        Args:
            dim: C.
            depth: number of blocks.
            heads: A.
            window: side of a window, in cells.
            mlp_ratio: hidden channels of the MLPs, as a multiple of `dim`.

        Raises InputError: `dim` is no multiple of `heads`.
        """
        super().__init__()
        blocks = [
            CrossBlock(
                dim,
                heads=heads,
                window=window,
                shift=number % 2 * (window // 2),
                mlp_ratio=mlp_ratio,
                updates_support=number < depth - 1,
            )
            for number in range(depth)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(dim)

    def condition(self, support: Tensor, mask: Tensor) -> tuple[BlockSupport, ...]:
        """What every block keeps of the support sets.

        Args:
            support: maps, [B, C, H, W].
            mask: foreground weight in [0, 1], [B, 1, H, W].
        """
        tokens, mask = support.permute(0, 2, 3, 1), mask.squeeze(1)  # [B, H, W, C], [B, H, W]
        states = []
        for block in self.blocks:
            assert isinstance(block, CrossBlock)
            state, tokens = block.condition(tokens, mask)
            states.append(state)
        return tuple(states)

    def forward(self, query: Tensor, support: tuple[BlockSupport, ...]) -> Tensor:
        """Queries informed by their support sets.

        Args:
            query: maps, [B, Q, C, H, W].
            support: what `condition` returned for the same B episodes.

        Returns:
            [B, Q, C, H, W].
        """
        return self.forward_aligned(query, support)[0]

    def forward_aligned(self, query: Tensor, support: tuple[BlockSupport, ...]) -> tuple[Tensor, list[Tensor]]:
        """`forward`, and beside it the alignment of every block: support window indices [B, Q, M]."""
        tokens = query.flatten(0, 1).permute(0, 2, 3, 1)  # [N, H, W, C]
        indices = []
        for block, state in zip(self.blocks, support, strict=True):
            tokens, index = block(tokens, state)
            indices.append(index)
        out = self.norm(tokens).permute(0, 3, 1, 2)
        return out.unflatten(0, query.shape[:2]), indices  # [B, Q, C, H, W]


class CrossBlock(nn.Module):
    """Norm, alignment and window attention, norm and MLP, each with a shortcut.

    The two norms are shared by query and support; attention and MLP are not. In the last block of a transformer the
    support's new tokens would reach no output: with `updates_support` False the parameters that would make them are
    kept (published checkpoints hold them) but never used, and ask for no gradient.
    """

    def __init__(
        self, dim: int, *, heads: int, window: int, shift: int = 0, mlp_ratio: float = 1.0, updates_support: bool = True
    ) -> None:
        super().__init__()
        self.window, self.shift, self.updates_support = window, shift, updates_support
        self.norm1 = nn.LayerNorm(dim)
        self.query_attention = ScaledCosineAttention(dim, heads)
        self.support_attention = ScaledCosineAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.query_mlp = MLP(dim, int(dim * mlp_ratio))
        self.support_mlp = MLP(dim, int(dim * mlp_ratio))
        if not updates_support:
            self.support_attention.requires_grad_(False)
            self.support_mlp.requires_grad_(False)

    def condition(self, support: Tensor, mask: Tensor) -> tuple[BlockSupport, Tensor]:
        """What queries will need of the support, and the support for the next block.

        Args:
            support: [B, H, W, C].
            mask: foreground weight in [0, 1], [B, H, W].

        Returns:
            The state, and the new support tokens [B, H, W, C] (unchanged where the block does not update them).
        """
        layout = WindowLayout((int(support.shape[1]), int(support.shape[2])), self.window, self.shift)
        # Zeros are padded after the norm and are not masked out: they take part as keys, as published.
        windows = layout.split(self.norm1(support))  # [B, M, P, C]
        prototypes, valid = support_prototypes(windows, layout.split(mask.unsqueeze(-1)).squeeze(-1))
        state = BlockSupport(self.query_attention.memory(windows), prototypes, valid)
        if self.updates_support:
            support = support + layout.join(self.support_attention(windows))
            support = support + self.support_mlp(self.norm2(support))
        return state, support

    def forward(self, query: Tensor, support: BlockSupport) -> tuple[Tensor, Tensor]:
        """New query tokens, and the alignment.

        Args:
            query: [B * Q, H, W, C].
            support: state of the same B episodes.

        Returns:
            Tokens [B * Q, H, W, C] and support window indices [B, Q, M].
        """
        layout = WindowLayout((int(query.shape[1]), int(query.shape[2])), self.window, self.shift)
        windows = layout.split(self.norm1(query))  # [N, M, P, C]
        episodes = len(support.valid)
        index = align(windows.unflatten(0, (episodes, -1)), support.prototypes, support.valid)
        memory = _gather(support.memory, index)
        query = query + layout.join(self.query_attention(windows, memory))
        return query + self.query_mlp(self.norm2(query)), index


class MLP(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = TokenLinear(dim, hidden)
        self.fc2 = TokenLinear(hidden, dim)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


def _gather(memory: Tensor, index: Tensor) -> Tensor:
    """The memory [B, M', ...] of the window that each query window [B, Q, M] is aligned with: [B * Q, M, ...]."""
    episodes, windows = memory.shape[:2]
    first = torch.arange(episodes, device=index.device).view(-1, 1, 1) * windows
    chosen = memory.flatten(0, 1).index_select(0, (index + first).flatten())
    return chosen.unflatten(0, (-1, index.shape[-1]))
