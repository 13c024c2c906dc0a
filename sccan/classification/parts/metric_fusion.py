"""Three metrics between class vectors and query patches, and how their predictions and losses are fused (AMTNet).

Letters: B episodes, N ways, Q queries, C channels, m patches.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.classification.parts.heads import patch_products
from sccan.classification.parts.losses import LearnedWeights
from sccan.pointwise import pointwise

PUBLISHED_MOMENTUM = 1.0
"""Of the relation network's norms: running statistics are those of the last training batch."""
TEMPERATURE = 4.0
"""Of the divergence between two predictions."""


class MetricScores(NamedTuple):
    """Raw scores, [B, Q, N, m] each."""

    cosine: Tensor
    euclidean: Tensor
    relation: Tensor


class RelationNetwork(nn.Module):
    """A learned similarity of class vector and patch: a network on both side by side.

    Its first layer is applied to class vectors and patches apart, since W [p ; q] = W_p p + W_q q: once per map instead
    of once per pair.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1) -> None:
        """
        Args:
            channels: C.
            momentum: of the norms.
        """
        super().__init__()
        self.channels = channels
        self.first, self.first_norm = nn.Conv2d(2 * channels, channels, 1), nn.BatchNorm1d(channels, momentum=momentum)
        self.second, self.second_norm = nn.Conv2d(channels, channels, 1), nn.BatchNorm1d(channels, momentum=momentum)
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, classes: Tensor, patches: Tensor) -> Tensor:
        """Similarities of every pair.

        Args:
            classes: [B, 1 or Q, N, C].
            patches: [B, Q, 1 or N, m, C]; with 1, a vector or map is the same for all its partners.

        Returns:
            [B, Q, N, m].
        """
        of_class, of_patch = self.first.weight.flatten(1).split(self.channels, dim=1)
        first = pointwise(classes, of_class, self.first.bias).unsqueeze(-2)  # [B, 1 or Q, N, 1, C]
        pairs = first + pointwise(patches, of_patch)  # [B, Q, N, m, C]
        hidden = F.relu(self.first_norm(pairs.flatten(0, -2)))
        hidden = F.relu(self.second_norm(_linear(self.second, hidden)))
        return _linear(self.last, hidden).view(pairs.shape[:-1])


def _linear(layer: nn.Conv2d, rows: Tensor) -> Tensor:
    """A 1x1 convolution on rows of channels; as a matrix product it takes half the time."""
    return pointwise(rows, layer.weight.flatten(1), layer.bias)


class AdaptiveMetrics(nn.Module):
    """Cosine, Euclidean and relation metric, and the weights of their predictions and losses.

    A prediction is sum_i (1 + w_i) log softmax of the metrics' scores, the Euclidean and the relation ones through a
    sigmoid first. The weights w are either those of the losses, set anew at every step, or learned. The published
    code learns nothing there: its adaptive weights are memory that was never set and in no optimiser, and
    two of their names are exchanged. Here they begin at 0 and learn from the fused prediction's own loss.
    """

    cosine_weight: Tensor
    euclidean_weight: Tensor
    relation_weight: Tensor

    def __init__(
        self,
        channels: int,
        *,
        scale: float = 7.0,
        adaptive: bool = True,
        trained: bool = True,
        summed: bool = False,
        momentum: float = 0.1,
    ) -> None:
        """
        Args:
            channels: C.
            scale: of cosine and Euclidean scores.
            adaptive: use weights of the predictions that are their own, and not those of the losses.
            trained: learn them; False: keep them at what is loaded, in the end as published.
            summed: squared differences are summed over channels instead of averaged, as published, which leaves
                Euclidean scores about 14 / C wide.
            momentum: of the relation network's norms.
        """
        super().__init__()
        self.scale, self.summed = scale, summed
        self.relation = RelationNetwork(channels, momentum=momentum)
        self.loss_weights = LearnedWeights(len(MetricScores._fields))
        for name in MetricScores._fields:
            self.register_buffer(f"{name}_weight", torch.full((1,), 1 / len(MetricScores._fields)))
        self.adaptive: nn.ParameterDict | None = None
        if adaptive:
            self.adaptive = nn.ParameterDict({name: torch.zeros(1) for name in MetricScores._fields})
            self.adaptive.requires_grad_(trained)

    def forward(self, classes: Tensor, patches: Tensor) -> MetricScores:
        """Scores of every pair.

        Args:
            classes: vectors of length 1, [B, 1 or Q, N, C].
            patches: vectors of length 1, [B, Q, 1 or N, m, C]; see `RelationNetwork`.
        """
        cosine = patch_products(classes, patches)  # [B, Q, N, m]
        squares = classes.square().sum(-1, keepdim=True) + patches.square().sum(-1) - 2 * cosine
        euclidean = -squares if self.summed else -squares / classes.shape[-1]
        return MetricScores(self.scale * cosine, self.scale * euclidean, self.relation(classes, patches))

    def fused(self, scores: MetricScores) -> Tensor:
        """Sum of weighted log-probabilities, [B, Q, N, m]."""
        logs = (
            scores.cosine.log_softmax(2),
            scores.euclidean.sigmoid().log_softmax(2),
            scores.relation.sigmoid().log_softmax(2),
        )
        parts = [(1 + weight) * log for weight, log in zip(self.prediction_weights(), logs, strict=True)]
        return torch.stack(parts).sum(0)

    def prediction_weights(self) -> tuple[Tensor, ...]:
        """Of cosine, Euclidean and relation predictions, [1] each."""
        if self.adaptive is not None:
            return tuple(self.adaptive[name] for name in MetricScores._fields)
        return self.cosine_weight, self.euclidean_weight, self.relation_weight

    @property
    def learns_fusion(self) -> bool:
        """Whether the weights of the predictions are parameters to train."""
        return self.adaptive is not None and all(weight.requires_grad for weight in self.adaptive.values())

    @torch.no_grad()
    def keep_loss_weights(self) -> None:
        """Make the present weights of the losses, with sum 1, those of the predictions."""
        shares = self.loss_weights.shares()
        for name, share in zip(MetricScores._fields, shares / shares.sum(), strict=True):
            getattr(self, f"{name}_weight").copy_(share)


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence at temperature T, times T^2; mean over queries and patches.

    Args:
        student: scores of classes, [B, Q, N, ...].
        teacher: likewise; detach it where it shall not learn.
    """
    wanted = (teacher / TEMPERATURE).log_softmax(2)
    found = (student / TEMPERATURE).log_softmax(2)
    return TEMPERATURE**2 * (wanted.exp() * (wanted - found)).sum(2).mean()
