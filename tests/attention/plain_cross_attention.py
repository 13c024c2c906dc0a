"""CAN's cross attention with its correlation matrices in full: an oracle, and a measure of what is saved.

Letters: B batches of pairs, N class maps, Q query maps, C channels, m positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.attention.cross_attention import CrossAttentionModule


def correlation_attention(
    module: CrossAttentionModule, class_maps: Tensor, query_maps: Tensor
) -> tuple[Tensor, Tensor]:
    """Attentions [B, N, Q, m] of class maps [B, N, C, m] and query maps [B, Q, C, m].

    Correlations are formed in full; all pairs of one direction pass through the norm together.
    """
    unit_class, unit_query = F.normalize(class_maps, dim=2), F.normalize(query_maps, dim=2)
    correlation = torch.einsum("bnci,bqcj->bnqij", unit_class, unit_query)

    def attention(matrix: Tensor) -> Tensor:
        mean = matrix.mean(-2)  # [B, N, Q, m]
        assert module.reduce.bias is not None
        assert module.expand.bias is not None
        hidden = mean @ module.reduce.weight[:, :, 0, 0].T + module.reduce.bias
        flat = hidden.flatten(0, -2)
        use = module.training
        average = flat.mean(0) if use else module.norm.running_mean
        variance = flat.var(0, unbiased=False) if use else module.norm.running_var
        assert average is not None
        assert variance is not None
        normed = (hidden - average) / (variance + module.norm.eps).sqrt() * module.norm.weight + module.norm.bias
        kernel = normed.relu() @ module.expand.weight[:, :, 0, 0].T + module.expand.bias
        score = (matrix * kernel.unsqueeze(-2)).mean(-1)
        return 1 + (score / module.temperature).softmax(-1)

    return attention(correlation), attention(correlation.transpose(-1, -2))
