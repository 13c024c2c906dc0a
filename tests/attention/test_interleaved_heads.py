"""Attention with the head as the fast channel index, against a loop."""

import pytest
import torch

from sccan.attention.interleaved_heads import TokenConv, interleaved_attention, split_heads


def test_the_head_is_the_fast_index() -> None:
    tokens = torch.arange(12.0).view(1, 2, 6)  # N 2, C 6
    heads = split_heads(tokens, 2)
    assert heads.shape == (1, 2, 2, 3)
    assert heads[0, 0].tolist() == [[0, 2, 4], [6, 8, 10]]
    assert heads[0, 1].tolist() == [[1, 3, 5], [7, 9, 11]]


def test_every_head_is_an_attention_of_its_own_and_leading_dimensions_broadcast() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(*shape, generator=generator) for shape in ((2, 1, 4, 6), (3, 5, 6), (3, 5, 6)))
    out, weights = interleaved_attention(q, k, v, 3)
    assert out.shape == (2, 3, 4, 6)
    assert weights.shape == (2, 3, 3, 4, 5)
    for head in range(3):
        share = (q[1, 0][:, head::3] @ k[2][:, head::3].T / 2**0.5).softmax(-1)
        torch.testing.assert_close(weights[1, 2, head], share)
        torch.testing.assert_close(out[1, 2][:, head::3], share @ v[2][:, head::3])


def test_a_token_convolution_is_a_convolution() -> None:
    layer, tokens = TokenConv(4, 6), torch.randn(2, 5, 4)
    want = torch.nn.functional.conv1d(tokens.transpose(1, 2), layer.weight, layer.bias).transpose(1, 2)
    torch.testing.assert_close(layer(tokens), want)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="6 channels do not divide into 4 heads"):
        split_heads(torch.zeros(1, 2, 6), 4)
