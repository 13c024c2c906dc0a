"""What methods share that learn nothing: frozen cells of length one, without the part that tells their place.

Letters: N pictures, B episodes, K references, C channels, M channels kept, h w grid, L = h * w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.pixels import normalize
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.parts.cells import unit_cells
from sccan.segmentation.parts.positions import PerGrid, debiased, debiasing_rank, position_free_basis

CERTAIN = 10.0
"""Logit of what is decided without a number, either way."""


class TrainingFreeMethod(Method):
    """A frozen backbone and closed-form arithmetic; subclasses say what `condition` and `predict` do.

    Cells are those of one stage, or of several, each brought to length one and joined at the grid of the first. The
    basis of positional debiasing is computed when a grid is first seen and kept until weights are loaded.
    """

    def __init__(self, backbone: Backbone, stages: Sequence[str], *, rank: float = 0) -> None:
        """
        Args:
            backbone: will be frozen.
            stages: whose maps are the cells.
            rank: of positional debiasing, a share of the channels below 1 or a number; 0 for backbones whose features
                do not know their place (convolutions).

        Raises InputError: the backbone has no such stage, or the rank leaves nothing.
        """
        super().__init__()
        self.stages, self.rank = tuple(stages), rank
        channels = sum(backbone.stage(name).channels for name in self.stages)
        debiasing_rank(rank, channels, channels + 1)
        self.backbone = backbone.freeze()
        self._bases = PerGrid()
        self.backbone.register_load_state_dict_post_hook(self._bases.forget)

    def encode(self, images: Tensor) -> Features:
        with torch.no_grad():
            maps = self.backbone(images)
        return Features({name: maps[name] for name in self.stages}, (images.shape[-2], images.shape[-1]))

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        """Raises ValueError: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} has nothing to train")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """None: there is nothing to train."""
        return {}

    def grid(self, features: Features) -> tuple[int, int]:
        """Height and width of the cells' grid."""
        maps = features.maps[self.stages[0]]
        return maps.shape[-2], maps.shape[-1]

    def cells(self, features: Features) -> Tensor:
        """R: cells of length one, [..., L, C] of maps [..., C, h, w]."""
        first, *others = (features.maps[name] for name in self.stages)
        if not others:
            return unit_cells(first)
        parts = [F.normalize(first.float(), dim=-3)]
        for other in others:
            unit = F.normalize(other.float(), dim=-3).flatten(0, -4)
            same = F.interpolate(unit, size=self.grid(features), mode="bilinear", align_corners=False)
            parts.append(same.view(*first.shape[:-3], *same.shape[1:]))
        return unit_cells(torch.cat(parts, dim=-3))

    def without_positions(self, cells: Tensor, features: Features) -> Tensor:
        """D: the cells of these features in the channels that debiasing keeps, of length one, [..., L, M]."""
        return debiased(cells, self.basis(features))

    def in_all_channels(self, debiased: Tensor, features: Features) -> Tensor:
        """Debiased cells or prototypes [..., M] of these features as vectors of all channels, [..., C]."""
        basis = self.basis(features)
        return debiased if basis is None else debiased @ basis.T

    def basis(self, features: Features) -> Tensor | None:
        """What debiasing keeps on the grid of these features, [C, M]; None where it is skipped.

        Raises InputError: the rank leaves nothing, or positions have not so many directions.
        """
        if not self.rank:
            return None
        size = features.image_size
        device = features.maps[self.stages[0]].device
        if size not in self._bases:
            self._bases[size] = self._position_free_basis(size, device)
        return self._bases[size].to(device)

    def _position_free_basis(self, size: tuple[int, int], device: torch.device) -> Tensor:
        black = normalize(torch.zeros(1, 3, *size, device=device))
        with torch.autocast(device.type, enabled=False):
            features = self.encode(black)
            height, width = self.grid(features)
            tokens = self.cells(features)[0].T.unflatten(1, (height, width))
        rank = debiasing_rank(self.rank, len(tokens), height * width)
        return position_free_basis(tokens, rank)
