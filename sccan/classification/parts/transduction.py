"""Labels of all queries of an episode found together: arithmetic of LaplacianShot, alpha-TIM and PT-MAP.

Letters: B episodes, N ways, S support pictures, Q queries, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-12


def neighbour_weights(vectors: Tensor, neighbours: int) -> Tensor:
    """1 for the nearest others of every query, else 0, made symmetric by its mean with its transpose, [B, Q, Q].

    Args:
        vectors: [B, Q, C].
        neighbours: how many; all others, where there are fewer.
    """
    count = min(neighbours, vectors.shape[1] - 1)
    weights = torch.zeros(*vectors.shape[:2], vectors.shape[1], device=vectors.device)
    if count > 0:
        distances = torch.cdist(vectors, vectors)
        distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        weights.scatter_(2, distances.topk(count, largest=False).indices, 1.0)
    return (weights + weights.transpose(1, 2)) / 2


def laplacian_labels(distances: Tensor, weights: Tensor, *, pull: float, rounds: int = 20) -> Tensor:
    """Logits of the assignment that is near the class means and alike among neighbours (LaplacianShot, Eq. 5 and 8).

    The bound optimiser's updates: y = softmax(-a + pull * W y), for all queries at once.

    Args:
        distances: squared, to the class means, a, [B, Q, N].
        weights: W, [B, Q, Q].
        pull: weight of the Laplacian.
        rounds: of updates; it converges in fewer.

    Returns:
        [B, Q, N]; their softmax is y.
    """
    logits = -distances
    for _ in range(rounds):
        again = -distances + pull * (weights @ logits.softmax(-1))
        if torch.allclose(again, logits, atol=1e-6):
            break
        logits = again
    return logits


def tsallis_entropy(probabilities: Tensor, alpha: float) -> Tensor:
    """Tsallis entropy along the last axis (alpha-TIM, Eq. 3); Shannon's at alpha 1."""
    if alpha == 1:
        return -(probabilities * probabilities.clamp_min(SMALLEST).log()).sum(-1)
    return (1 - probabilities.pow(alpha).sum(-1)) / (alpha - 1)


def tsallis_cross_entropy(true: Tensor, alpha: float) -> Tensor:
    """Its loss for the probability of the true class: (1 - p ** (alpha - 1)) / (alpha - 1); -log p at alpha 1."""
    if alpha == 1:
        return -true.clamp_min(SMALLEST).log()
    return (1 - true.pow(alpha - 1)) / (alpha - 1)


def power_transformed(vectors: Tensor, power: float = 0.5, shift: float = 1e-6) -> Tensor:
    """(v + shift) ** power of rectified vectors, of length one (PT-MAP, Eq. 1)."""
    return F.normalize((vectors.clamp_min(0) + shift).pow(power), dim=-1)


def balanced_assignment(costs: Tensor, *, sharpness: float = 10.0, rounds: int = 1000) -> Tensor:
    """Sinkhorn's assignment in which every class gets as many queries as every other (PT-MAP, Eq. 4), [B, Q, N].

    Rows sum to 1, columns to Q / N.

    Args:
        costs: squared distances, [B, Q, N].
        sharpness: lambda; the kernel is exp(-sharpness * costs).
    """
    quota = costs.shape[1] / costs.shape[2]
    plan = (-sharpness * (costs - costs.amin((1, 2), keepdim=True))).exp().clamp_min(SMALLEST)
    for _ in range(rounds):
        plan = plan * (quota / plan.sum(1, keepdim=True))
        rows = plan.sum(2, keepdim=True)
        plan = plan / rows
        if float((rows - 1).abs().max()) < 1e-4:
            break
    return plan
