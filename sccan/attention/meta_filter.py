"""Dynamic meta-filters: each class hands each query a filter per position, sampled where both agree (DMF, CVPR 2021).

Letters: B batches of pairs, N class maps, Q query maps, C channels, G groups of R = C / G channels, k filter size,
O = G * k * k values of a filter per position, h w map size, x = Q * h * w query positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sccan.attention.flow import Flow, three_eighths_step

WINDOW = 3
"""Side of the window that the deformable convolution samples."""
TAPS = WINDOW * WINDOW
PAIR_ELEMENTS = 1 << 23
"""Elements of the largest tensor of one chunk of queries: bounds memory, changes no number."""


@dataclass(frozen=True)
class ClassFilters:
    """What the filters need of the class maps, computed once for any number of queries.

    Attributes:
        offsets: the class maps' part of the sampling offsets, [B, N, 18, h, w].
        projected: the class maps under each of the nine taps of the deformable convolution, [B, N, 9, O, h, w].
    """

    offsets: Tensor
    projected: Tensor


class MetaFilter(nn.Module):
    """A filter per position for every pair (class map, query map), and the query maps that it leads to.

    Offsets come from a convolution over both maps, the filter from a deformable convolution of the class map at these
    offsets, through a sigmoid. Filtering is the flow of dy/dt = relu(filter * y) from 0 to 1, integrated as published
    with one Runge-Kutta step of the 3/8 rule; all channels of a group share one filter.

    Two identities keep the pairs small. The offsets' convolution is a sum of one over the query and one over the
    class map. And sampling, which is linear in the map, commutes with the projection of its channels, so class maps
    are projected once and only the O projected channels are sampled pair by pair.
    """

    def __init__(
        self,
        channels: int,
        *,
        groups: int = 64,
        size: int = 1,
        scrambled: bool = False,
        ode: bool = True,
        flow: Flow = three_eighths_step,
    ) -> None:
        """
        Args:
            channels: C, of either map.
            groups: G; each shares one filter (published: 64, 160, 320 or 640 of 640 channels).
            size: k, odd (published training: 1).
            scrambled: for k > 1, take the filter of position p from elements p k^2 .. of its group's memory, as the
                published code does, which mixes positions; otherwise every position has its own values.
            ode: integrate; otherwise the filter is applied once.
            flow: integrator. Filters of size 1 need none for the published step, whose result has a closed form.

        Raises ValueError: the groups do not divide the channels, or the size is even.
        """
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"{groups} groups do not divide {channels} channels; choose a divisor")
        if size < 1 or size % 2 == 0:
            raise ValueError(f"the filter size is {size}, but must be odd, so that it has a centre")
        self.channels, self.groups, self.size, self.scrambled, self.ode = channels, groups, size, scrambled, ode
        self.flow, self.closed_form = flow, size == 1 and (not ode or flow is three_eighths_step)
        self.offset = nn.Conv2d(2 * channels, 2 * TAPS, 5, padding=2, bias=False)  # channels of the query first
        self.project = nn.Conv2d(channels, groups * size * size, WINDOW, bias=False)
        nn.init.uniform_(self.project.weight, -((channels * TAPS) ** -0.5), (channels * TAPS) ** -0.5)

    def prepare(self, class_maps: Tensor) -> ClassFilters:
        """The class maps' share of the work; class maps are [B, N, C, h, w]."""
        maps = class_maps.flatten(0, 1)
        offsets = F.conv2d(maps, self.offset.weight[:, self.channels :], padding=2)
        taps = self.project.weight.flatten(2).permute(2, 0, 1).flatten(0, 1)  # [9 * O, C]
        projected = F.conv2d(maps, taps[..., None, None]).unflatten(1, (TAPS, -1))
        lead = class_maps.shape[:2]
        return ClassFilters(offsets.unflatten(0, lead), projected.unflatten(0, lead))

    def offsets(self, classes: ClassFilters, query_maps: Tensor) -> Tensor:
        """Where each pair samples, (row, column) after (row, column) for every tap: [B, N, Q, 18, h, w].

        Args:
            classes: see `prepare`.
            query_maps: [B, Q, C, h, w].
        """
        own = F.conv2d(query_maps.flatten(0, 1), self.offset.weight[:, : self.channels], padding=2)
        return own.unflatten(0, query_maps.shape[:2]).unsqueeze(1) + classes.offsets.unsqueeze(2)

    def filters(self, classes: ClassFilters, offsets: Tensor) -> Tensor:
        """Filters in (0, 1) of pairs with offsets [B, N, Q, 18, h, w]: [B, N, O, Q, h, w]."""
        return deformable_samples(classes.projected, offsets).sigmoid()

    def filtered(self, query_maps: Tensor, filters: Tensor) -> Tensor:
        """Query maps [B, Q, C, h, w] through filters [B, N, O, Q, h, w], for any filter size: [B, N, Q, C, h, w]."""
        n_batch, n_class, _, n_query, *side = filters.shape
        maps = query_maps.unsqueeze(1).expand(-1, n_class, -1, -1, -1, -1).flatten(0, 2)  # [pairs, C, h, w]
        taps = filters.transpose(2, 3).reshape(len(maps), self.groups, -1, side[0] * side[1])
        taps = position_taps(taps, scrambled=self.scrambled)
        rate = partial(filter_response, taps=taps)
        result = self.flow(rate, maps) if self.ode else rate(maps)
        return result.unflatten(0, (n_batch, n_class, n_query))

    def scores(self, classes: ClassFilters, query_maps: Tensor, kernels: Tensor) -> Tensor:
        """Inner product of the filtered query map with a vector of the class, at every position: [B, N, Q, h, w].

        Queries go through in chunks; in training these are recomputed when gradients need them. Neither changes a
        number.

        Args:
            classes: see `prepare`.
            query_maps: [B, Q, C, h, w].
            kernels: one vector per class, [B, N, C].
        """
        offsets = self.offsets(classes, query_maps)
        n_batch, n_class, n_query, _, height, width = offsets.shape
        values = self.groups if self.closed_form else self.channels * self.size**2
        step = max(1, PAIR_ELEMENTS // (n_batch * n_class * values * height * width))
        keep_nothing = torch.is_grad_enabled()
        parts = []
        for first in range(0, n_query, step):
            chunk = offsets[:, :, first : first + step], query_maps[:, first : first + step], kernels
            if keep_nothing:
                parts.append(
                    checkpoint(
                        self._chunk_scores,
                        classes.projected,
                        *chunk,
                        use_reentrant=False,
                        preserve_rng_state=False,
                    )
                )
            else:
                parts.append(self._chunk_scores(classes.projected, *chunk))
        return torch.cat(parts, dim=2)

    def _chunk_scores(self, projected: Tensor, offsets: Tensor, query_maps: Tensor, kernels: Tensor) -> Tensor:
        filters = deformable_samples(projected, offsets).sigmoid()
        if self.closed_form:
            return single_tap_scores(query_maps, filters, kernels, ode=self.ode)
        return torch.einsum("bnqchw,bnc->bnqhw", self.filtered(query_maps, filters), kernels)


def deformable_samples(projected: Tensor, offsets: Tensor) -> Tensor:
    """The sum over nine taps of maps sampled bilinearly at their own places; outside the map there are zeros.

    With `projected` the maps under the taps' weights, this is the deformable convolution (version 1) of the maps.

    Args:
        projected: [B, N, 9, O, h, w].
        offsets: distance in cells from the place of every tap, row and column in turn, [B, N, Q, 18, h, w].

    Returns:
        [B, N, O, Q, h, w].
    """
    n_batch, n_class, n_query, _, height, width = offsets.shape
    row, column = (torch.arange(side, device=offsets.device, dtype=offsets.dtype) for side in (height, width))
    result: Tensor | None = None
    for tap, maps in enumerate(projected.flatten(0, 1).unbind(1)):
        y = offsets[:, :, :, 2 * tap] + (row[:, None] + (tap // WINDOW - 1))
        x = offsets[:, :, :, 2 * tap + 1] + (column + (tap % WINDOW - 1))
        # In the units of grid_sample, -1 and 1 are the outer edges of the first and the last cell.
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)  # [B, N, Q, h, w, 2]
        sampled = F.grid_sample(
            maps,
            grid.reshape(n_batch * n_class, n_query * height, width, 2),
            padding_mode="zeros",
            align_corners=False,
        )
        result = sampled if result is None else result.add_(sampled)
    assert result is not None
    return result.view(n_batch, n_class, -1, n_query, height, width)


def single_tap_scores(query_maps: Tensor, filters: Tensor, kernels: Tensor, *, ode: bool) -> Tensor:
    """Scores of filters with one tap, without forming a filtered map: [B, N, Q, h, w].

    Such a filter a multiplies what is positive in its group by `flow_factor(a)` and leaves the rest alone (applied
    once: multiplies by a, and drops the rest), so the sum over a group's channels can be taken first.

    Args:
        query_maps: [B, Q, C, h, w].
        filters: [B, N, G, Q, h, w].
        kernels: [B, N, C].
    """
    groups = filters.shape[2]
    positive = query_maps.relu()
    sums = torch.einsum("bngr,bqgrhw->bngqhw", kernels.unflatten(2, (groups, -1)), positive.unflatten(2, (groups, -1)))
    scores = (sums * (flow_factor(filters) if ode else filters)).sum(2)
    return scores + torch.einsum("bnc,bqchw->bnqhw", kernels, query_maps - positive) if ode else scores


def flow_factor(rate: Tensor) -> Tensor:
    """What the published integration of dy/dt = rate * y over unit time multiplies y by.

    One Runge-Kutta step of order four is the Taylor polynomial of exp; at rate 1 it is 0.01 below.
    """
    return 1 + rate * (1 + rate / 2 * (1 + rate / 3 * (1 + rate / 4)))


def position_taps(filters: Tensor, *, scrambled: bool) -> Tensor:
    """The taps of every position, [pairs, G, k * k, h * w], from the generated channels of the same shape.

    Args:
        scrambled: read them in the published order, see `MetaFilter`.
    """
    if not scrambled:
        return filters
    n_taps, positions = filters.shape[-2:]
    return filters.flatten(-2).unflatten(-1, (positions, n_taps)).transpose(-1, -2)


def filter_response(maps: Tensor, taps: Tensor) -> Tensor:
    """Maps [pairs, C, h, w] filtered at every position with taps [pairs, G, k * k, h * w], and rectified."""
    groups, n_taps = taps.shape[1:3]
    size = round(n_taps**0.5)
    windows = F.unfold(maps, size, padding=size // 2)  # [pairs, C * k * k, h * w]
    windows = windows.unflatten(1, (groups, -1, n_taps))
    return (windows * taps.unsqueeze(2)).sum(3).view_as(maps).relu()
