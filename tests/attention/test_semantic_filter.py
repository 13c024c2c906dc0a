"""The semantic filter: numbers by hand, and one map at a time."""

import pytest
import torch

from sccan.attention.semantic_filter import SemanticFilter


def test_a_position_mixes_the_tokens_it_resembles() -> None:
    neck = SemanticFilter(2, n_tokens=2, heads=1, dropout=0.0).eval()
    with torch.no_grad():
        neck.tokens.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        neck.feed_forward.linear2.weight.zero_()
        neck.feed_forward.linear2.bias.zero_()
        x = torch.tensor([[[0.0, 0.0], [2.0**0.5 * torch.log(torch.tensor(3.0)).item(), 0.0]]])  # N 2, C 2
        message, weights = neck.attend(x)
        torch.testing.assert_close(weights[0, 0], torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
        torch.testing.assert_close(message[0], torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
        maps = x.transpose(1, 2).unflatten(2, (1, 2))
        out = neck(maps)
    # Two channels normed over channels: the larger becomes 1, the smaller -1, equal ones 0.
    torch.testing.assert_close(out[0, :, 0], torch.tensor([[0.0, 1.0], [0.0, -1.0]]), atol=1e-4, rtol=0)


def test_maps_are_filtered_one_by_one_and_gradients_reach_everything() -> None:
    torch.manual_seed(0)
    neck, maps = SemanticFilter(8, n_tokens=3, heads=2), torch.randn(2, 8, 3, 5)
    assert neck(maps).shape == maps.shape
    neck.eval()
    torch.testing.assert_close(neck(maps)[1:], neck(maps[1:]))
    (neck(maps) * torch.randn(maps.shape)).sum().backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0] == []


def test_used_parameters_at_640_channels() -> None:
    assert sum(p.numel() for p in SemanticFilter(640).parameters()) == 2_055_040


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="10 channels do not divide into 4 heads"):
        SemanticFilter(10)
