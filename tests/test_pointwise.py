"""Linear maps at every position by way of oneDNN: the numbers of torch's own layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.pointwise import PointwiseConv2d, TokenLinear, pointwise

C, D = 64, 96


def _gradients(out: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum(), inputs)


@pytest.mark.parametrize("shape", [(3, 5, 7, C), (2, C), (C,)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_tokens_of_any_shape_give_the_numbers_and_gradients_of_a_linear_layer(
    shape: tuple[int, ...], with_bias: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(shape, generator=generator, requires_grad=True)
    weight, bias = (torch.randn(size, generator=generator, requires_grad=True) for size in ((D, C), (D,)))
    inputs = (tokens, weight, bias) if with_bias else (tokens, weight)
    out, want = pointwise(*inputs), F.linear(*inputs)
    torch.testing.assert_close(out, want, rtol=1e-5, atol=1e-5)
    for got, expected in zip(_gradients(out, *inputs), _gradients(want, *inputs), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_tokens_that_are_not_contiguous_are_read_in_their_order() -> None:
    tokens, weight = torch.randn(4, C, 6).transpose(1, 2), torch.randn(D, C)
    torch.testing.assert_close(pointwise(tokens, weight), F.linear(tokens, weight), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, C), (2, 0, C)])
def test_no_tokens_give_none(shape: tuple[int, ...]) -> None:
    assert pointwise(torch.randn(shape), torch.randn(D, C), torch.randn(D)).shape == (*shape[:-1], D)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_convolution_is_torchs_with_the_same_names(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours, plain = PointwiseConv2d(C, D), nn.Conv2d(C, D, 1)
    plain.load_state_dict(ours.state_dict())
    maps = torch.randn(2, C, 5, 7).contiguous(memory_format=memory_format)
    torch.testing.assert_close(ours(maps), plain(maps), rtol=1e-5, atol=1e-5)


def test_initial_weights_are_those_of_torchs_layers() -> None:
    torch.manual_seed(0)
    ours = TokenLinear(C, D), PointwiseConv2d(C, D, bias=False)
    torch.manual_seed(0)
    plain = nn.Linear(C, D), nn.Conv2d(C, D, 1, bias=False)
    for one, other in zip(ours, plain, strict=True):
        assert {name: value.shape for name, value in one.state_dict().items()} == {
            name: value.shape for name, value in other.state_dict().items()
        }
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_number_types_keep_theirs(dtype: torch.dtype) -> None:
    tokens, weight = torch.randn(3, C, dtype=dtype), torch.randn(D, C, dtype=dtype)
    out = pointwise(tokens, weight)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), tokens.double() @ weight.double().T, rtol=2e-2, atol=0.1)
