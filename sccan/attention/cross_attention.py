"""Cross attention between pairs of maps: where a class map and a query map show the same thing (CAN, section 3).

Letters: B batches of pairs, N class maps, Q query maps, C channels, m = h * w positions, r hidden channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-12


class CrossAttentionModule(nn.Module):
    """An attention over positions for either map of every pair (class map, query map), from their cosines alone.

    With the correlation R[i, j] of class position i and query position j, and the meta fusion layer

        g_j = mean_i R[i, j],   w = expand(relu(norm(reduce(g)))),   s_i = mean_j R[i, j] w_j,
        A = 1 + softmax(s / temperature)

    the class attention is that of R and the query attention that of its transpose, with the same weights. As in the
    published code, the fusion is a mean where the paper writes a dot product (which is the same with a temperature m
    times as large), and the norm runs twice per forward, class side first, so that its running statistics are updated
    twice.

    R itself is never formed: both of its uses are sums over one side, which commute with the product of the other
    (mean_i <p_i, q_j> = <mean_i p_i, q_j>, and likewise for s). That takes 4 C m operations per pair instead of C m^2.
    """

    def __init__(self, positions: int = 36, *, hidden: int | None = None, temperature: float = 0.025) -> None:
        """
        Args:
            positions: m; the weights are tied to it (published: 36, maps of 6x6).
            hidden: r, of the meta learner; None is positions / 6 as in the paper (published: 6), at least 1.
            temperature: of the softmax; the published one is for 36 positions.
        """
        super().__init__()
        self.positions, self.temperature = positions, temperature
        hidden = max(1, positions // 6) if hidden is None else hidden
        self.reduce = nn.Conv2d(positions, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.expand = nn.Conv2d(hidden, positions, 1)
        for layer in (self.reduce, self.expand):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, class_maps: Tensor, query_maps: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            class_maps: [B, N, C, m].
            query_maps: [B, Q, C, m].

        Returns:
            Class attention and query attention, both [B, N, Q, m], in (1, 2]; every row sums to m + 1.

        Raises ValueError: the maps have another number of positions.
        """
        found = (class_maps.shape[-1], query_maps.shape[-1])
        if found != (self.positions, self.positions):
            raise ValueError(
                f"maps of {found[0]} and {found[1]} positions, but the weights are for {self.positions}; "
                "pictures of another size need weights of their own"
            )
        classes = F.normalize(class_maps, dim=2, eps=EPSILON)
        queries = F.normalize(query_maps, dim=2, eps=EPSILON)
        class_attention = self._attention(classes, queries)  # [B, N, Q, m]
        query_attention = self._attention(queries, classes)  # [B, Q, N, m]
        return class_attention, query_attention.transpose(1, 2)

    def _attention(self, own: Tensor, other: Tensor) -> Tensor:
        """Attention over the positions of `own` [B, N, C, m] for every pair with `other` [B, Q, C, m]: [B, N, Q, m]."""
        mean = own.mean(-1)  # [B, N, C]
        g = (mean.unsqueeze(1) @ other).transpose(1, 2)  # [B, N, Q, m]
        w = self._fuse(g)
        # sum_j w_j other_j is one vector per pair; one batched product per map of `other`.
        summed = w.transpose(1, 2) @ other.transpose(-1, -2)  # [B, Q, N, C]
        s = summed.transpose(1, 2) @ own / self.positions  # [B, N, Q, m]
        return 1 + (s / self.temperature).softmax(-1)

    def _fuse(self, g: Tensor) -> Tensor:
        """The meta learner on vectors over positions, [..., m]; batch statistics are over all of them."""
        flat = g.flatten(0, -2)[..., None, None]  # [pairs, m, 1, 1]
        return self.expand(F.relu(self.norm(self.reduce(flat)))).view_as(g)
