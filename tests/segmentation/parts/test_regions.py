"""Regions: average linkage by hand, against SciPy on the square matrix, numbering, means."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import squareform

from sccan.segmentation.parts import regions as regions_module
from sccan.segmentation.parts.regions import condensed_distances, first_come, region_means, regions_of
from tests.segmentation.methods.plain_training_free import region_numbers


def _directions(*degrees: float) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_regions_by_hand() -> None:
    """Cosines of 0 and 20 degrees are 0.94; the mean of 0 and 20 with 50 is (0.643 + 0.866) / 2 = 0.754."""
    cells = _directions(50, 180, 0, 20, 185)
    assert regions_of(cells, 0.9).tolist() == [0, 1, 2, 2, 1]
    assert regions_of(cells, 0.76).tolist() == [0, 1, 2, 2, 1]
    assert regions_of(cells, 0.75).tolist() == [0, 1, 0, 0, 1]
    assert regions_of(cells, -1.0).tolist() == [0] * 5
    assert regions_of(cells, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert regions_of(cells[:1], 0.5).tolist() == [0]


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_condensed_distances_are_those_of_the_square_matrix(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions_module, "ROWS", rows)
    cells = F.normalize(torch.randn(40, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    square = squareform(condensed_distances(cells))
    np.testing.assert_allclose(
        square, 1 - (cells.double() @ cells.double().T).numpy() * (1 - np.eye(40)) - np.eye(40), atol=1e-6
    )
    assert square.min() >= 0
    assert square.max() <= 2
    assert torch.equal(regions_of(cells, 0.4), region_numbers(cells, 0.4))


def test_numbers_count_up_in_the_order_of_appearance() -> None:
    assert first_come(torch.tensor([7, 7, 3, 9, 3, 7, 1])).tolist() == [0, 0, 1, 2, 1, 0, 3]


def test_means_of_regions() -> None:
    regions = torch.tensor([0, 1, 0, 2])
    values = torch.tensor([[1.0, 2.0], [5.0, 5.0], [3.0, 4.0], [9.0, 8.0]])
    assert region_means(values, regions).tolist() == [[2.0, 3.0], [5.0, 5.0], [9.0, 8.0]]
    assert region_means(values[:, 0], regions).tolist() == [2.0, 5.0, 9.0]
