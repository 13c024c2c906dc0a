"""k-means on the queries of an episode, and prototypes drawn towards the clusters (TasNet's transductive option).

Letters: n vectors, D their size, N clusters and classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDS = 1000
RESTARTS = 10


def cluster_centres(vectors: Tensor, count: int, *, seed: int = 100) -> Tensor:
    """Centres of the best of several runs of k-means, each started as k-means++ does.

    Args:
        vectors: [n, D].
        count: N, at most n.
        seed: of the starts.

    Returns:
        [N, D].

    Raises ValueError: there are fewer vectors than clusters.
    """
    if len(vectors) < count:
        raise ValueError(f"{len(vectors)} vectors cannot make {count} clusters")
    generator = torch.Generator().manual_seed(seed)
    best, smallest = vectors[:count], float("inf")
    for _ in range(RESTARTS):
        centres = _started(vectors, count, generator)
        labels = _distances(vectors, centres).argmin(1)
        for _ in range(ROUNDS):
            members = F.one_hot(labels, count).to(vectors.dtype)  # [n, N]
            sizes = members.sum(0).unsqueeze(1)
            centres = torch.where(sizes > 0, members.T @ vectors / sizes.clamp(min=1), centres)
            distances = _distances(vectors, centres)
            again = distances.argmin(1)
            if torch.equal(again, labels):
                break
            labels = again
        spread = float(distances.min(1).values.sum())
        if spread < smallest:
            best, smallest = centres, spread
    return best


def drawn_prototypes(prototypes: Tensor, centres: Tensor) -> Tensor:
    """Prototypes [N, D] moved half way to their nearest centre; several may share one."""
    nearest = centres[_distances(prototypes, centres).argmin(1)]
    return (nearest + prototypes) / 2


def drawn_to_clusters(prototypes: Tensor, queries: Tensor) -> Tensor:
    """Prototypes [B, N, D] of several episodes, each drawn towards the clusters of its own queries [B, Q, D].

    No gradient reaches the queries.
    """
    pairs = zip(prototypes, queries, strict=True)
    return torch.stack([drawn_prototypes(own, cluster_centres(every.detach(), len(own))) for own, every in pairs])


def _started(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The first vector at random, each further one with a probability that grows with its squared distance."""
    chosen = [int(torch.randint(len(vectors), (1,), generator=generator))]
    while len(chosen) < count:
        weights = _distances(vectors, vectors[chosen]).min(1).values.double().cpu()
        weights[chosen] = 0
        weights = weights if float(weights.sum()) > 0 else torch.ones_like(weights)
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
    return vectors[chosen]


def _distances(vectors: Tensor, centres: Tensor) -> Tensor:
    """Squared Euclidean distances [n, N]."""
    return (vectors.unsqueeze(1) - centres).square().sum(-1)
