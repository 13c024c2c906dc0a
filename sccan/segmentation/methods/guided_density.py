"""Density ratios of frozen cells, drawn along the picture's colours and cut where the examples say: our default.

Nothing is trained. The ratio is FROST's (Park, 2026, arXiv 2606.31136) with a narrow kernel and half of the
foreground's odds, without its whitening, candidates and smoothing; the way to pixels is the guided filter of He, Sun
and Tang. What no setting can know is read off the examples: how wide the filter's windows may be, where to
cut, and whether pictures are taken alike, so that places tell (`parts/places.py`), once a picture is laid over the
example (`parts/alignment.py`). Where a grid of cells begins says nothing of a picture, so examples are seen twice, the
second time half a cell aside.

Letters: B episodes, K examples, Q queries, A anchors, C channels, H W picture size, h w grid, L = h * w cells, T cuts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.pixels import denormalize
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.segmentation.methods.training_free import CERTAIN, TrainingFreeMethod
from sccan.segmentation.parts.alignment import Marked, aligned_sums
from sccan.segmentation.parts.anchors import Anchors, anchors_of, log_odds
from sccan.segmentation.parts.cells import CellMasks, cell_masks, chessboard
from sccan.segmentation.parts.cuts import ious_of_cuts
from sccan.segmentation.parts.density import log_ratio
from sccan.segmentation.parts.guided import guided, halved
from sccan.segmentation.parts.kept_sums import KeptSums, digest
from sccan.segmentation.parts.places import BOTH, LOOKS, PLACES, gains_of_places, own_lattice, placed_sums
from sccan.segmentation.parts.thickness import thickness
from sccan.segmentation.parts.views import shifted, shifted_labels, view_of, with_view

PICTURE = "picture"
"""Name of the small picture among the features."""
ASIDE = "aside"
"""Name of the view of examples that are seen half a cell aside."""
SMALL = 4
"""Pixels of the input per cell on which the filter is found; masks follow a picture of twice as many."""
SOFT = 5.0
"""Log ratios are squashed before they are filtered, tanh(l / 5), so that certain cells do not outshout the others."""
MOST_LEFT_OUT = 8
"""Examples that are left out in turn."""
CUTS = tuple(number / 20 for number in range(-10, 11))
"""Squashed scores at which masks may be cut."""
DOUBT = 0.05
"""What a cut must gain in IoU, per distance from 0."""
LEAST_GAIN, NEVER = 0.5, 1e9
"""Nats that a picture's cells must gain by their places for these to count, where they may and where they never do.
Pictures without any order gain 0.2 or 0.3, seldom 0.5."""
TRUSTS = ((NEVER, False), (LEAST_GAIN, False), (LEAST_GAIN, True))
"""What places may be trusted with: `least_gain` and `aligned` of a support set."""


class Picture(NamedTuple):
    """What is asked of a picture.

    Attributes:
        cells: of length one, [L, C].
        grid: of these cells.
        colours: the small picture, [3, ...].
        name: equal for equal cells; empty where nobody asks.
    """

    cells: Tensor
    grid: tuple[int, int]
    colours: Tensor
    name: str


class Seen(NamedTuple):
    """Examples as all their views show them; of K pictures with A cells each.

    Attributes:
        cells: of length one, [K, A, C].
        masks: which of them are compared with, [K, A].
        places: as of `Lattice`, [A, 2].
    """

    cells: Tensor
    masks: CellMasks
    places: Tensor


@dataclass(frozen=True)
class GuidedDensityEpisode:
    """What is kept of one support set.

    Attributes:
        anchors: what cells are compared with.
        radius: of the filter's windows, in its cells.
        cut: squashed score above which a pixel is foreground.
        least_gain: what a picture must gain by its places for them to count, in nats, see `gains_of_places`.
        aligned: whether these are the places of aligned examples.
    """

    anchors: Anchors
    radius: int
    cut: float
    least_gain: float
    aligned: bool


class GuidedDensity(TrainingFreeMethod):
    """How much nearer a cell lies to the foreground's cells than to the background's, guided to pixels.

    Where a picture's cells are foretold by their places in the examples, an anchor counts the more the nearer it lies.
    With several examples each is left out in turn, and window and cut are those with which the others find it best, as
    is whether places may count, and whether examples are aligned first; a single one says how thick its object is, and
    the cut stays at equal evidence.

    Attributes:
        kept: sums that are kept for later searches of the same pictures; None: nothing is.
        aligns: whether examples are aligned with pictures taken like them; a graph cannot.
    """

    kept: KeptSums | None = None
    aligns = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        stages: Sequence[str],
        rank: float = 0,
        sigma: float = 0.03,
        odds_weight: float = 0.5,
        reach: float = 0.15,
        shift: float = 0.5,
        radii: Sequence[int] = (1, 2, 3, 4),
        radius_share: float = 0.4,
        regularity: float = 1e-3,
    ) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells.
            rank: see `TrainingFreeMethod`.
            sigma: width of the kernel of cosines.
            odds_weight: of the log of the foreground's odds among the examples' cells.
            reach: of the kernel of places, as a share of the picture's sides; 0: places are not looked at.
            shift: of the second look at examples, as a share of a cell; 0: they are seen once.
            radii: of the filter's windows to choose from, in cells of 4 pixels; 0 leaves the scores as they are.
            radius_share: radius over the thickness of a single example's object.
            regularity: of the filter, a variance of colours in [0, 1].

        Raises InputError: see `TrainingFreeMethod`, or a number is out of range.
        """
        super().__init__(backbone, stages, rank=rank)
        if not radii or min(*radii, reach) < 0 or min(sigma, regularity, radius_share) <= 0 or not 0 <= shift < 1:
            raise InputError(
                f"guided_density was given sigma {sigma}, reach {reach}, shift {shift}, radii {list(radii)}, radius "
                f"share {radius_share} and regularity {regularity}; expected at least one radius from 0, a reach from "
                "0, a shift below 1, and numbers above 0"
            )
        self.sigma, self.odds_weight, self.reach, self.shift = sigma, odds_weight, reach, shift
        self.radii, self.radius_share, self.regularity = tuple(sorted(radii)), radius_share, regularity

    @property
    def learns_from_absence(self) -> bool:
        return True

    def beside(self, features: Features, images: Tensor) -> dict[str, Tensor]:
        return {PICTURE: denormalize(halved(images)).div_(255).clamp_(0, 1)}

    def as_support(self, features: Features, images: Tensor) -> Features:
        """Also the maps of the pictures half a cell aside, which `condition` takes for a second view."""
        if not self.supports_differ:
            return features
        with torch.no_grad():
            aside = self.backbone(shifted(images, *self._pixels_aside(features)))
        return with_view(features, ASIDE, Features(aside, features.image_size), self.cells.stages)

    @property
    def supports_differ(self) -> bool:
        return self.shift > 0

    def look_once(self) -> None:
        self.shift = 0.0

    def condition(self, support: Features, labels: Tensor) -> tuple[GuidedDensityEpisode, ...]:
        """One entry per episode.

        Args:
            support: from `encode_support`.
            labels: masks [B, K, H, W] in {0, 1, 255}.
        """
        with torch.no_grad(), torch.autocast(labels.device.type, enabled=False):
            pictures = self._pictures(support)
            masks = cell_masks(labels, self.cells.grid(support))
            seen = self._seen(support, pictures, masks, labels)
            return tuple(
                self._conditioned(own, CellMasks(masks.foreground[b], masks.background[b]), seen[b], labels[b])
                for b, own in enumerate(pictures)
            )

    def predict(self, query: Features, state: tuple[GuidedDensityEpisode, ...]) -> Tensor:
        with torch.no_grad(), torch.autocast(query.maps[PICTURE].device.type, enabled=False):
            rows = []
            for kept, pictures in zip(state, self._pictures(query), strict=True):
                counts = kept.anchors.foreground.cells.shape[0], kept.anchors.background.cells.shape[0]
                odds, least_gain = kept.anchors.log_odds, kept.least_gain
                sums = [self._sums(one, kept.anchors, aligned=kept.aligned)[int(kept.aligned)] for one in pictures]
                ratios = [self._log_ratio(one, counts, odds, least_gain) for one in sums]
                colours = torch.stack([one.colours for one in pictures])
                found = self._guided(torch.stack(ratios), pictures[0].grid, colours, kept.radius)
                rows.append(SOFT * (found - kept.cut))
            margins = F.interpolate(torch.stack(rows), query.image_size, mode="bilinear", align_corners=False)
            return torch.stack([torch.zeros_like(margins), margins], dim=2)  # [B, Q, 2, H, W]

    def _pictures(self, features: Features) -> list[list[Picture]]:
        """Of every episode."""
        cells = self.cells.debiased(self.cells.unit(features), features)  # [B, n, L, C]
        colours, grid = features.maps[PICTURE].float(), self.cells.grid(features)
        maps = [features.maps[name] for name in self.cells.stages] if self.kept is not None else []
        return [
            [
                Picture(own, grid, colours[b, n], digest(*(one[b, n] for one in maps)) if maps else "")
                for n, own in enumerate(episode)
            ]
            for b, episode in enumerate(cells)
        ]

    def _pixels_aside(self, features: Features) -> tuple[int, int]:
        """By how many pixels, down and to the right, examples are moved for their second view."""
        sides = zip(features.image_size, self.cells.grid(features), strict=True)
        down, right = (round(self.shift * side / cells) for side, cells in sides)
        return down, right

    def _seen(
        self, support: Features, pictures: Sequence[Sequence[Picture]], masks: CellMasks, labels: Tensor
    ) -> list[Seen]:
        """The examples of every episode as their views show them.

        All cells of the foreground are compared with, and of the background every second one of either view, as on a
        chessboard: there is enough of it, and searching takes no longer than with one view. Where that leaves none of
        it, all of it is compared with.
        """
        grid, device = self.cells.grid(support), labels.device
        cells = torch.stack([torch.stack([one.cells for one in own]) for own in pictures])  # [B, K, L, C]
        places = own_lattice(grid, device).places
        if self.supports_differ:
            down, right = self._pixels_aside(support)
            view = view_of(support, ASIDE, self.cells.stages)
            aside = cell_masks(shifted_labels(labels, down, right), grid)
            foreground, background = (torch.cat(both, -1) for both in zip(masks, aside, strict=True))
            thinned = background & chessboard(grid, device).repeat(2)
            masks = CellMasks(foreground, torch.where(thinned.any(-1, keepdim=True), thinned, background))
            cells = torch.cat([cells, self.cells.debiased(self.cells.unit(view), support)], -2)
            height, width = support.image_size
            places = torch.cat([places, places - places.new_tensor([down / height, right / width])])
        return [Seen(own, CellMasks(*marked), places) for own, *marked in zip(cells, *masks, strict=True)]

    def _conditioned(
        self, examples: Sequence[Picture], masks: CellMasks, seen: Seen, labels: Tensor
    ) -> GuidedDensityEpisode:
        """What is kept of one support set: its examples, masks [K, L] and labels [K, H, W]."""
        grid = examples[0].grid
        names = []
        if self.kept is not None:
            names = [f"{one.name} {digest(*own)}" for one, *own in zip(examples, *seen.masks, strict=True)]
        anchors = anchors_of(seen.cells, seen.masks, seen.places, log_odds(masks), names)
        showing = masks.foreground.any(1).nonzero().flatten().tolist()
        if len(showing) < 2:
            return GuidedDensityEpisode(anchors, self._radius_of_thickness(labels), 0.0, LEAST_GAIN, self.aligns)
        chosen = showing[:MOST_LEFT_OUT]
        ratios = torch.stack([self._left_out(k, examples[k], anchors, masks) for k in chosen], 1)
        colours = torch.stack([examples[k].colours for k in chosen])
        trusts = TRUSTS[:2] if torch.equal(ratios[1], ratios[2]) else TRUSTS  # nothing was aligned
        best = max(
            (*self._best(own, grid, colours, labels[chosen]), *trust)
            for own, trust in zip(ratios[: len(trusts)], trusts, strict=True)
        )
        return GuidedDensityEpisode(anchors, *best[1:])

    def _left_out(self, number: int, example: Picture, anchors: Anchors, masks: CellMasks) -> Tensor:
        """Log ratios of an example by all others, as `TRUSTS` has it, [3, L]."""
        others = [k for k in range(len(masks.foreground)) if k != number]
        sums = self._sums(example, anchors, left_out=number, aligned=self.aligns)
        front, back = (sum(group.counts[k] for k in others) for group in (anchors.foreground, anchors.background))
        odds = log_odds(CellMasks(masks.foreground[others], masks.background[others]))
        return torch.stack(
            [self._log_ratio(sums[int(aligned)], (front, back), odds, least_gain) for least_gain, aligned in TRUSTS]
        )

    def _sums(self, picture: Picture, anchors: Anchors, *, aligned: bool, left_out: int | None = None) -> Tensor:
        """`placed_sums` over the foreground's and over the background's anchors of all examples but one, [2, 2, 3, L].

        First as the examples are, then aligned with the picture where that is wanted and it was taken like them.
        """
        groups = zip(anchors.foreground.by_example(), anchors.background.by_example(), strict=True)
        total = picture.cells.new_zeros(2, 2, 3, len(picture.cells))
        for number, example in enumerate(groups):
            if number != left_out:
                total += self._sums_over(picture, example, anchors.names[number] if anchors.names else "", aligned)
        return total

    def _sums_over(self, picture: Picture, example: Marked, name: str, aligned: bool) -> Tensor:
        cells, lattice = picture.cells, own_lattice(picture.grid, picture.cells.device)
        compare = functools.partial(placed_sums, cells, lattice, sigma=self.sigma, reach=self.reach)
        wide = moved = self._kept(picture.name, name, lambda: torch.stack([compare(*group) for group in example]))
        if aligned:
            count = wide.new_full((), sum(len(own) for own, _ in example))
            if gains_of_places(wide.sum(0), count).mean() >= LEAST_GAIN:
                align = functools.partial(aligned_sums, wide, cells, lattice, sigma=self.sigma, reach=self.reach)
                moved = self._kept(picture.name, f"{name} aligned", lambda: align(example))
        return torch.stack([wide, moved])

    def _kept(self, picture: str, example: str, compute: Callable[[], Tensor]) -> Tensor:
        return compute() if self.kept is None else self.kept.get(picture, example, compute)

    def _radius_of_thickness(self, labels: Tensor) -> int:
        """The radius that fits examples' objects; the smallest without any."""
        thick = [found for one in labels if (found := thickness((one == 1).cpu().numpy()))] or [0.0]
        wanted = self.radius_share * sum(thick) / len(thick) / SMALL
        return min(self.radii, key=lambda radius: abs(radius - wanted))

    def _best(
        self, ratios: Tensor, grid: tuple[int, int], pictures: Tensor, labels: Tensor
    ) -> tuple[float, int, float]:
        """The most that is gained on pictures of known labels [n, H, W] by log ratios [n, L], and radius and cut."""
        wanted = F.interpolate(labels[:, None].float(), pictures.shape[-2:], mode="nearest")[:, 0]
        cuts = torch.tensor(CUTS, device=ratios.device)
        best = -math.inf, 0, 0.0
        for radius in self.radii:
            found = ious_of_cuts(self._guided(ratios, grid, pictures, radius), wanted, cuts)
            gains = found.mean(0) - DOUBT * cuts.abs()
            top = int(gains.argmax())
            best = max(best, (float(gains[top]), radius, CUTS[top]))
        return best

    def _log_ratio(self, sums: Tensor, counts: tuple[int, int], odds: float, least_gain: float) -> Tensor:
        """Log density ratio of every cell of a picture, with the weighted odds, [L].

        Args:
            sums: of foreground and background, one of `_sums`, [2, 3, L].
            counts: anchors of the foreground and of the background.
            odds: of these, their logarithm.
            least_gain: see `GuidedDensityEpisode`.
        """
        if not all(counts):  # nothing to compare with
            return sums.new_full(sums.shape[-1:], CERTAIN if counts[0] else -CERTAIN)
        front, back = sums.unbind()
        n_front, n_back = counts
        anywhere = log_ratio(front[LOOKS], n_front, back[LOOKS], n_back)
        here = log_ratio(front[BOTH], front[PLACES], back[BOTH], back[PLACES])
        odds_here = log_ratio(front[PLACES], n_front, back[PLACES], n_back)
        placed = gains_of_places(front + back, sums.new_ones(()) * (n_front + n_back)).mean() > least_gain
        return torch.where(placed, here + self.odds_weight * odds_here, anywhere) + self.odds_weight * odds

    def _guided(self, ratios: Tensor, grid: tuple[int, int], pictures: Tensor, radius: int) -> Tensor:
        """Squashed scores, in [-1, 1] or little beyond, on the pixels of pictures [n, 3, ...], of log ratios [n, L]."""
        squashed = (ratios / SOFT).tanh().unflatten(-1, grid)[:, None]
        small = halved(pictures)
        scores = F.interpolate(squashed, small.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        return guided(scores, small, pictures, radius=radius, regularity=self.regularity)
