"""INSID3 and FROST step by step as they are described, one episode with one query: every matrix is formed whole.

What `sccan.segmentation.methods.insid3` and `frost` compute otherwise is compared with this, and timed beside it.
Letters: N cells, C channels, K references, V views, h w grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor


def positional_basis(tokens: Tensor, rank: int) -> Tensor:
    """B [C, r] of the tokens of a black picture [C, h, w]."""
    positions = F.normalize(tokens.flatten(1), dim=0)
    return torch.linalg.svd(positions - positions.mean(1, keepdim=True), full_matrices=False).U[:, :rank]


def debiased(rows: Tensor, basis: Tensor) -> Tensor:
    """D [N, C] of R [N, C]."""
    return F.normalize(rows - rows @ basis @ basis.T, dim=1)


def rows_of(tokens: Tensor) -> Tensor:
    """R [N, C] of tokens [C, h, w]."""
    return F.normalize(tokens.flatten(1).T, dim=1)


def passing(similarity: Tensor) -> Tensor:
    """The forward gate."""
    gate = similarity > 0
    return gate if gate.any() else similarity > similarity.quantile(0.9)


@dataclass(frozen=True)
class PlainINSID3:
    """What it computes on the way: mu [C], D, A [N], regions [N], score of each cell's region [N], mask [N]."""

    prototype: Tensor
    query: Tensor
    candidates: Tensor
    regions: Tensor
    scores: Tensor
    grid_mask: Tensor


def insid3(
    query: Tensor,
    references: Sequence[Tensor],
    masks: Sequence[Tensor],
    basis: Tensor,
    *,
    tau: float = 0.6,
    threshold: float = 0.2,
) -> PlainINSID3:
    """Tokens [C, h, w] of a query and of K references, masks [h, w] bool."""
    rows = rows_of(query)
    own, others = debiased(rows, basis), [debiased(rows_of(tokens), basis) for tokens in references]
    means = [other[mask.flatten()].mean(0) for other, mask in zip(others, masks, strict=True) if mask.any()]
    prototype = F.normalize(torch.stack(means).mean(0), dim=0)
    forward = own @ prototype
    nearest = [mask.flatten()[(own @ other.T).argmax(1)] for other, mask in zip(others, masks, strict=True)]
    votes = torch.stack(nearest).sum(0)
    candidates = passing(forward) & (votes >= (len(masks) + 1) // 2)
    regions = region_numbers(rows, tau)
    found = torch.zeros_like(forward)
    if candidates.any():
        inside = [regions == number for number in range(int(regions.max()) + 1)]
        centres = F.normalize(torch.stack([own[cells].mean(0) for cells in inside]), dim=1)
        looks = F.normalize(torch.stack([rows[cells].mean(0) for cells in inside]), dim=1)
        share = torch.stack([candidates[cells].float().mean() for cells in inside])
        seed = int(torch.where(share > 0, centres @ prototype, -torch.inf).argmax())
        share[seed] = 1
        scores = torch.stack([forward[cells].mean() for cells in inside]) * (looks @ looks[seed]) * share
        found = scores[regions]
    return PlainINSID3(prototype, own, candidates, regions, found, found > threshold)


def region_numbers(rows: Tensor, tau: float) -> Tensor:
    """Average linkage of R [N, C] cut at 1 - tau; numbered by first appearance, [N]."""
    distance = 1 - (rows @ rows.T).clamp(-1, 1).double().numpy()
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    numbers = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - tau, "distance")
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return torch.from_numpy(first.argsort().argsort()[inverse])


@dataclass(frozen=True)
class PlainReferences:
    """What FROST knows of V views: mu [C], W [C, C], whitened views, their masks [N], anchors, sigma, its margin."""

    prototype: Tensor
    whitening: Tensor
    views: Tensor
    masks: Tensor
    front: Tensor
    back: Tensor
    bandwidth: float
    margin: float


def conditioned_frost(
    views: Sequence[Tensor],
    masks: Sequence[Tensor],
    basis: Tensor,
    bandwidths: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
) -> PlainReferences:
    """Tokens [C, h, w] of V views, masks [h, w] bool."""
    inside = torch.stack([mask.flatten() for mask in masks])
    cells = torch.stack([debiased(rows_of(tokens), basis) for tokens in views])
    whitening = torch.eye(len(basis))
    if inside.any() and not inside.all():
        whitening = whitening_matrix(cells[inside], cells[~inside])
    cells = cells @ whitening
    means = [own[mask].mean(0) for own, mask in zip(cells, inside, strict=True)]
    front, back = (F.normalize(some, dim=-1) for some in (cells[inside], cells[~inside]))
    sigma, margin = bandwidth(front, back, bandwidths)
    prototype = F.normalize(torch.stack(means).mean(0), dim=0)
    return PlainReferences(prototype, whitening, cells, inside, front, back, sigma, margin)


@dataclass(frozen=True)
class PlainFROST:
    """What it computes on the way: whitened query [N, C], A [N], l before and after smoothing [N], dilated A [N]."""

    query: Tensor
    candidates: Tensor
    log_ratio: Tensor
    smoothed: Tensor
    dilated: Tensor


def queried_frost(
    query: Tensor, colours: Tensor, basis: Tensor, known: PlainReferences, radius: float = 16
) -> PlainFROST:
    """Tokens [C, h, w] of a query, mean colours of its cells [3, h, w]."""
    rows = rows_of(query)
    own = debiased(rows, basis) @ known.whitening
    best = [
        mask[(own @ view.T).topk(3, dim=1).indices].sum(1) >= 2
        for view, mask in zip(known.views, known.masks, strict=True)
    ]
    enough = torch.stack(best).sum(0) >= (len(known.views) + 1) // 2
    candidates = passing(own @ known.prototype) & enough
    cells = F.normalize(own, dim=-1)
    ratio = log_density(cells @ known.front.T, known.bandwidth) - log_density(cells @ known.back.T, known.bandwidth)
    grid = candidates.view(1, *query.shape[1:]).float()
    reach = round(4 * float(known.masks.float().mean()))
    dilated = F.max_pool2d(grid, 2 * reach + 1, 1, reach).bool().flatten()
    return PlainFROST(own, candidates, ratio, smooth(ratio, rows, colours, radius), dilated)


def whitening_matrix(front: Tensor, back: Tensor) -> Tensor:
    """W [C, C]."""
    front, back = front - front.mean(0), back - back.mean(0)
    spread = (front.T @ front + back.T @ back) / max(len(front) + len(back) - 2, 1)
    spread = 0.05 * spread + 0.95 * spread.diagonal().mean() * torch.eye(len(spread))
    values, vectors = torch.linalg.eigh(spread)
    return vectors @ (values.clamp_min(1e-6) ** -0.5).diag() @ vectors.T


def log_density(dots: Tensor, sigma: float, left_out: int = 0) -> Tensor:
    """log of the mean kernel over the last dimension."""
    return ((dots - 1) / sigma).logsumexp(-1) - np.log(dots.shape[-1] - left_out)


def bandwidth(front: Tensor, back: Tensor, bandwidths: Sequence[float]) -> tuple[float, float]:
    """sigma with the largest leave-one-out margin, and that."""
    if min(len(front), len(back)) < 2:
        return 0.05, 0.0
    best = -np.inf, 0.05
    inner = [(some @ some.T).fill_diagonal_(-torch.inf) for some in (front, back)]
    cross = front @ back.T
    for sigma in bandwidths:
        of_front = log_density(inner[0], sigma, 1) - log_density(cross, sigma)
        of_back = log_density(cross.T, sigma) - log_density(inner[1], sigma, 1)
        margin = float(of_front.mean() - of_back.mean())
        if margin > best[0]:
            best = margin, sigma
    return best[1], best[0]


def smooth(ratio: Tensor, rows: Tensor, colours: Tensor, radius: float, steps: int = 10) -> Tensor:
    """l [N] after so many steps of propagation."""
    height, width = colours.shape[1:]
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).flatten(0, 1)
    near = torch.cdist(places.float(), places.float()) <= radius
    rgb, scaled = colours.flatten(1).T, ratio / (ratio.std() + 1e-6)
    weight = ((rows @ rows.T) / 0.2).exp() * (-(torch.cdist(rgb, rgb) ** 2) / 0.05).exp() * near
    weight = (weight * (-((scaled[:, None] - scaled[None]) ** 2)).exp()).fill_diagonal_(0)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-6)
    smoothed = ratio
    for _ in range(steps):
        smoothed = 0.3 * ratio + 0.7 * (weight @ smoothed)
    return smoothed
