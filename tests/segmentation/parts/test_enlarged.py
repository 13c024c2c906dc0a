"""Convolving an enlarged grid is convolving the enlarged map."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.parts.enlarged import convolve_enlarged


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    height=st.integers(1, 15),
    width=st.integers(1, 15),
    kernel=st.sampled_from([1, 3, 5]),
)
def test_it_is_interpolation_and_then_convolution(
    rows: int, columns: int, height: int, width: int, kernel: int
) -> None:
    generator = torch.Generator().manual_seed(rows + 10 * columns)
    grid = torch.randn(2, 3, rows, columns, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 3, kernel, kernel, generator=generator, dtype=torch.float64)
    enlarged = F.interpolate(grid, (height, width), mode="bilinear", align_corners=True)
    want = F.conv2d(enlarged, weight, padding=kernel // 2)
    torch.testing.assert_close(convolve_enlarged(grid, weight, (height, width)), want, rtol=1e-6, atol=1e-5)


def test_gradients_reach_grid_and_weight() -> None:
    grid, weight = (torch.randn(shape, requires_grad=True) for shape in ((2, 3, 2, 2), (4, 3, 3, 3)))
    plain = F.conv2d(F.interpolate(grid, (9, 7), mode="bilinear", align_corners=True), weight, padding=1)
    wanted = torch.autograd.grad(plain.square().sum(), (grid, weight))
    found = torch.autograd.grad(convolve_enlarged(grid, weight, (9, 7)).square().sum(), (grid, weight))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_number_type_stays(dtype: torch.dtype) -> None:
    out = convolve_enlarged(torch.ones(1, 2, 3, 3, dtype=dtype), torch.ones(2, 2, 3, 3, dtype=dtype), (9, 7))
    assert out.dtype == dtype
