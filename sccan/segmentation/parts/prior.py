"""Prior masks: where a query resembles the support's foreground, from frozen features and without parameters.

Two of them: SCCAN's pseudo-mask aggregation, a softmax over all support positions that averages their mask values, and
the highest cosine with any foreground position that PFENet introduced and BAM uses.

Everything runs without gradient and, but for one product of features that are less exact themselves, in float32. The
softmax over cosines has no temperature, so its result has a tiny spread, which the min-max normalisation stretches to
[0, 1] together with the rounding.

Letters: B episodes, K shots, Q queries, C channels, h w query map, H W support map, L = H * W.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sccan.pointwise import pointwise
from sccan.segmentation.parts.cells import unit_cells

EPSILON = 1e-7
PAIRS = 2**24  # similarities held at a time (64 MiB)
PAIRS_ON_CPU = 2**22  # there it is the faster the better it fits into the caches


@dataclass(frozen=True)
class PriorSupport:
    """What both priors need of B support sets.

    Attributes:
        directions: support features of length one, [B, K, L, C]; zeros stay zeros.
        weights: mask values in [0, 1], [B, K, L].
    """

    directions: Tensor
    weights: Tensor


def prior_support(features: Tensor, mask: Tensor) -> PriorSupport:
    """Prepare a support set for either prior.

    Cosines are published as a.b / (|a||b| + 1e-7). Here vectors are brought to length one beforehand, which makes a
    difference only where the lengths' product is within a few orders of 1e-7.

    Args:
        features: [B, K, C, H, W].
        mask: foreground weight in [0, 1], [B, K, 1, H, W].
    """
    if features.shape[-2:] != mask.shape[-2:]:
        raise ValueError(f"features are {tuple(features.shape[-2:])} but the mask is {tuple(mask.shape[-2:])}")
    with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
        return PriorSupport(unit_cells(features), mask.float().flatten(-3))


def foreground_only(support: PriorSupport) -> PriorSupport:
    """The support without masked-out positions, for `max_cosine_prior`: fewer cosines, the same numbers.

    Shots have different amounts of foreground; the smaller ones are filled up with masked-out positions. One such
    position is kept wherever there is any, since its similarity of 0 may be the highest.

    How many positions are kept must be known on the host. So the support is returned as it is by compiled code, which
    wants sizes that do not change, in a graph, which serves for other values, and on devices that would have to be
    waited for.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or support.weights.device.type != "cpu":
        return support
    inside = support.weights > 0
    kept = min(int(inside.sum(-1).max()) + 1, inside.shape[-1])
    places = inside.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[..., :kept]  # [B, K, kept]
    directions = support.directions.gather(-2, places.unsqueeze(-1).expand(*places.shape, support.directions.shape[-1]))
    return PriorSupport(directions, support.weights.gather(-1, places))


def softmax_prior(query: Tensor, support: PriorSupport) -> Tensor:
    """SCCAN's prior: the mask value that a query position finds when it attends to a whole support picture.

    r_i = sum_j v_j exp(c_ij) / sum_j exp(c_ij), without a temperature. In the published, plain order
    the rounding was measured to reach 2e-4 after the min-max (2048 channels, 4096 positions). The same is computed
    here with the mean mask value taken out of v and the mean support direction out of c, neither of which changes the
    normalised result: r_i - mean v = sum_j (v_j - mean v) (exp(c'_ij) - 1) / (L + sum_j (exp(c'_ij) - 1)). Its
    rounding was 1e-6.

    Features in half precision (from a backbone under autocast) have moved the prior by 4e-3 already. For them the
    products of unit vectors, most of the work, are in bf16 too, which adds 4e-4; the sums of exponentials and the
    min-max are in float32 in any case.

    Args:
        query: features, [B, Q, C, h, w].
        support: what `prior_support` returned for the same B episodes.

    Returns:
        Per shot, min-max normalised over the positions of each query: [B, Q, K, h, w] in [0, 1].
    """
    weights = support.weights - support.weights.mean(-1, keepdim=True)
    columns = torch.stack([weights, torch.ones_like(weights)], dim=-1)  # [B, K, L, 2]
    centred = support.directions - support.directions.mean(-2, keepdim=True)
    if query.dtype in (torch.bfloat16, torch.float16):
        centred = centred.bfloat16()

    def attend(cosines: Tensor) -> Tensor:
        sums = _expm1(cosines) @ columns
        return sums[..., 0] / (sums[..., 1] + columns.shape[2])

    return _prior(query, centred, attend)


def _expm1(values: Tensor) -> Tensor:
    if torch.jit.is_tracing():  # ONNX has no such operator; this is as exact near 0
        half = (values / 2).tanh()
        return 2 * half / (1 - half)
    return values.expm1_()


def max_cosine_prior(query: Tensor, support: PriorSupport) -> Tensor:
    """The prior of PFENet and BAM: the highest cosine of a query position with the masked support features.

    Masked-out positions are zeros and therefore count with similarity 0.

    Args:
        query: features, [B, Q, C, h, w].
        support: what `prior_support` returned for the same B episodes.

    Returns:
        Per shot, min-max normalised over the positions of each query: [B, Q, K, h, w] in [0, 1]; 0 where all
        positions are alike.
    """
    masked = support.directions * (support.weights > 0).unsqueeze(-1)
    return _prior(query, masked, lambda cosines: cosines.amax(-1))


def _prior(query: Tensor, directions: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """Cosines of query and support positions, reduced over the support positions, normalised over the query's.

    The matrix of all pairs is never held as a whole: query positions are taken a few at a time.
    """
    episodes, queries, _, height, width = query.shape
    shots, length = directions.shape[1:3]
    with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
        positions = unit_cells(query).flatten(1, 2).to(directions.dtype)  # [B, Q*h*w, C]
        pairs = PAIRS_ON_CPU if query.device.type == "cpu" else PAIRS
        step = max(1, pairs // (episodes * shots * length))
        parts = [positions] if torch.jit.is_tracing() else positions.split(step, dim=1)
        rows = torch.cat([reduce(_cosines(some, directions)) for some in parts], dim=-1)  # [B, K, Q*h*w]
        raw = rows.view(episodes, shots, queries, height * width).transpose(1, 2)
        low, high = raw.amin(-1, keepdim=True), raw.amax(-1, keepdim=True)
        return ((raw - low) / (high - low + EPSILON)).unflatten(-1, (height, width))


def _cosines(positions: Tensor, directions: Tensor) -> Tensor:
    """Cosines [B, K, n, L], float32, of query positions [B, n, C] and support positions [B, K, L, C] of length one."""
    if positions.device.type != "cpu" or torch.jit.is_tracing():
        return (positions.unsqueeze(1) @ directions.transpose(-1, -2)).float()
    # The support stands for a map and the query positions for a weight, which is the faster way round.
    pairs = [pointwise(keys, some) for some, shots in zip(positions, directions, strict=True) for keys in shots]
    return torch.stack(pairs).float().unflatten(0, directions.shape[:2]).transpose(-1, -2)  # from [B * K, L, n]
