"""The cells of a frozen backbone: maps of some stages as vectors of length one, and without what tells their place.

Letters: C channels, M channels that debiasing keeps, H W picture size, h w grid, L = h * w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.pixels import normalize
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Features
from sccan.segmentation.parts.cells import at_grid, unit_cells
from sccan.segmentation.parts.positions import debiased, debiasing_rank, position_free_basis


class FrozenCells:
    """Cells of one stage, or of several, each brought to length one and joined at the grid of the first.

    Attributes:
        backbone: frozen.
        stages: whose maps the cells are.
        rank: of positional debiasing, a share of the channels below 1 or a number; 0: none.
    """

    def __init__(self, backbone: Backbone, stages: Sequence[str], *, rank: float = 0) -> None:
        """Raises InputError: the backbone has no such stage, or the rank leaves nothing."""
        self.backbone, self.stages, self.rank = backbone, tuple(stages), rank
        channels = sum(backbone.stage(name).channels for name in self.stages)
        debiasing_rank(rank, channels, channels + 1)
        self._bases: dict[tuple[int, int, int], Tensor] = {}

    def grid(self, features: Features) -> tuple[int, int]:
        """Height and width of the cells' grid."""
        maps = features.maps[self.stages[0]]
        return maps.shape[-2], maps.shape[-1]

    def unit(self, features: Features) -> Tensor:
        """R: cells of length one, [..., L, C] of maps [..., C, h, w]."""
        grid, joined = self.grid(features), []
        for name in self.stages:
            maps = features.maps[name]
            own, cells = (maps.shape[-2], maps.shape[-1]), unit_cells(maps)
            joined.append(cells if own == grid else at_grid(cells, own, grid))
        return joined[0] if len(joined) == 1 else F.normalize(torch.cat(joined, dim=-1), dim=-1)

    def debiased(self, cells: Tensor, features: Features) -> Tensor:
        """D: cells R of these features in the channels that debiasing keeps, of length one, [..., L, M]."""
        return debiased(cells, self.basis(features))

    def in_all_channels(self, vectors: Tensor, features: Features) -> Tensor:
        """Debiased cells or prototypes [..., M] of these features as vectors of all channels, [..., C]."""
        basis = self.basis(features)
        return vectors if basis is None else vectors @ basis.T

    def basis(self, features: Features) -> Tensor | None:
        """What debiasing keeps on the grid of these features, [C, M]; None where it is skipped.

        Computed when a size of picture is first seen, and kept until the backbone's weights change.

        Raises InputError: the rank leaves nothing, or positions have not so many directions.
        """
        if not self.rank:
            return None
        device = features.maps[self.stages[0]].device
        key = *features.image_size, sum(parameter._version for parameter in self.backbone.parameters())
        if key not in self._bases:
            self._bases[key] = self._position_free_basis(features.image_size, device)
        return self._bases[key].to(device)

    def _position_free_basis(self, size: tuple[int, int], device: torch.device) -> Tensor:
        black = normalize(torch.zeros(1, 3, *size, device=device))
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            features = Features(self.backbone(black), size)
            height, width = self.grid(features)
            tokens = self.unit(features)[0].T.unflatten(1, (height, width))
        return position_free_basis(tokens, debiasing_rank(self.rank, len(tokens), height * width))
