"""Positional debiasing: what the cells of a picture carry only because of where they are, taken out of them.

INSID3 (Cuttano et al., CVPR 2026) and FROST (Park, 2026) both begin with it. The tokens of a black picture differ by
nothing but their places; the first r directions in which they vary are removed from the cells of all pictures.

Letters: C channels, r rank, M = C - r channels kept, h w grid, L = h * w cells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.errors import InputError

ROUNDING = 1e-12
"""Share of the energy of tokens of length one below which what varies along a direction is rounding of float32."""
KEPT = 1e-6
"""Share of energy that must be left, so that what is brought back to length one is more than rounding."""


def debiasing_rank(rank: float, channels: int, cells: int) -> int:
    """The number of directions to remove.

    Args:
        rank: a share of the channels below 1, or a number from 1 on; 0: none.
        channels: C.
        cells: L; their mean taken out, they span one direction less.

    Raises InputError: nothing would be left, or positions do not have so many directions.
    """
    if rank < 0:
        raise InputError(f"rank {rank} is none; give a share of the channels below 1, a number, or 0 for no debiasing")
    number = round(rank * channels) if rank < 1 else round(rank)
    if number >= channels:
        raise InputError(
            f"positional debiasing of rank {number} would leave nothing of {channels} channels; give a share of them "
            "below 1, or a smaller number"
        )
    if number >= max(cells, 1):
        raise InputError(
            f"positional debiasing of rank {number} needs more than {number} cells, but the map has {cells}; use "
            "larger pictures or a smaller rank"
        )
    return number


def position_free_basis(tokens: Tensor, rank: int) -> Tensor:
    """An orthonormal basis of what debiasing keeps, [C, M], M = C - rank.

    With B the first left singular vectors of the centred tokens, D = n(R (I - B B^T)). The columns P of this basis
    fill up B, so that R P holds the same inner products and lengths as R (I - B B^T) in fewer channels. Both come from
    the eigenvectors of the C x C covariance, in float64.

    Args:
        tokens: of a black picture, [C, h, w].
        rank: r.

    Raises InputError: the tokens vary in fewer directions.
    """
    positions = F.normalize(tokens.double().flatten(1), dim=0)  # [C, L]
    positions = positions - positions.mean(1, keepdim=True)
    variances, directions = torch.linalg.eigh(positions @ positions.T)  # ascending
    kept, told = len(tokens) - rank, int((variances > ROUNDING * positions.shape[1]).sum())
    if rank > told:
        raise InputError(
            f"positional debiasing of rank {rank}, but positions show in {told} directions of these features; use a "
            "smaller rank, or 0 for a backbone without positions"
        )
    return directions[:, :kept].float()


def debiased(cells: Tensor, basis: Tensor | None) -> Tensor:
    """Cells of length one without their positions, in the channels of the basis, again of length one: [..., L, M].

    Args:
        cells: of length one, [..., L, C].
        basis: [C, M]; None: they stay what they are.
    """
    return cells if basis is None else F.normalize(cells @ basis, dim=-1)


def check_kept_energy(cells: Tensor, basis: Tensor | None) -> None:
    """Raises InputError: next to nothing of the cells [..., L, C] lies outside the directions that are removed."""
    if basis is None:
        return
    kept = float((cells @ basis).square().sum(-1).mean())
    if kept < KEPT:
        raise InputError(
            f"positional debiasing leaves {kept:.1e} of the features' energy, which is rounding; use a smaller rank "
            f"than {basis.shape[0] - basis.shape[1]} of {basis.shape[0]}"
        )
