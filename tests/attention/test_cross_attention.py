"""The cross attention module against a literal loop over pairs of the published formulas."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.attention.cross_attention import CrossAttentionModule
from tests.attention.plain_cross_attention import correlation_attention

POSITIONS, CHANNELS = 12, 5  # maps of 3 x 4


def _maps(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, CHANNELS, POSITIONS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _module(seed: int = 0) -> CrossAttentionModule:
    torch.manual_seed(seed)
    module = CrossAttentionModule(POSITIONS, hidden=3, temperature=0.1).double()
    torch.nn.init.normal_(module.norm.weight)
    torch.nn.init.normal_(module.norm.bias)
    return module


@pytest.mark.parametrize("training", [True, False])
def test_attentions_are_those_of_the_full_correlation(training: bool) -> None:
    module = _module().train(training)
    class_maps, query_maps = _maps(1, 2, 3), _maps(2, 2, 4)
    want = correlation_attention(module, class_maps, query_maps)
    got = module(class_maps, query_maps)
    for one, other in zip(got, want, strict=True):
        assert one.shape == (2, 3, 4, POSITIONS)
        torch.testing.assert_close(one, other)


def test_gradients_are_those_of_the_full_correlation() -> None:
    module = _module()
    inputs = [_maps(1, 2, 3).requires_grad_(), _maps(2, 2, 4).requires_grad_()]
    weights = torch.linspace(0, 1, POSITIONS, dtype=torch.float64)
    leaves = [*inputs, *module.parameters()]
    got = torch.autograd.grad(sum((a * weights).sum() for a in module(*inputs)), leaves)
    want = torch.autograd.grad(sum((a * weights).sum() for a in correlation_attention(module, *inputs)), leaves)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other)


def test_every_attention_lies_above_one_and_sums_to_one_more_than_the_positions() -> None:
    with torch.no_grad():
        attentions = _module().eval()(_maps(3, 2, 2), _maps(4, 2, 5))
    for attention in attentions:
        assert float(attention.min()) > 1
        assert float(attention.max()) <= 2
        torch.testing.assert_close(attention.sum(-1), torch.full((2, 2, 5), POSITIONS + 1.0, dtype=torch.float64))


def test_running_statistics_are_updated_for_the_class_side_and_then_for_the_query_side() -> None:
    module = _module()
    class_maps, query_maps = _maps(1, 2, 3), _maps(2, 2, 4)
    classes, queries = F.normalize(class_maps, dim=2), F.normalize(query_maps, dim=2)
    correlation = torch.einsum("bnci,bqcj->bnqij", classes, queries)
    mean = module.norm.running_mean.clone()
    for matrix in (correlation, correlation.transpose(-1, -2)):
        hidden = matrix.mean(-2) @ module.reduce.weight[:, :, 0, 0].T + module.reduce.bias
        mean = 0.9 * mean + 0.1 * hidden.flatten(0, -2).mean(0)
    module(class_maps, query_maps)
    torch.testing.assert_close(module.norm.running_mean, mean.detach())
    assert int(module.norm.num_batches_tracked) == 2


def test_a_position_of_zeros_has_a_finite_attention() -> None:
    class_maps = _maps(1, 1, 2)
    class_maps[0, 0, :, 3] = 0
    assert all(bool(a.isfinite().all()) for a in _module().eval()(class_maps, _maps(2, 1, 2)))


def test_the_published_module_has_486_parameters_and_other_sizes_keep_the_ratio_of_six() -> None:
    assert sum(p.numel() for p in CrossAttentionModule().parameters()) == 486
    assert CrossAttentionModule(120).reduce.out_channels == 20
    assert CrossAttentionModule(4).reduce.out_channels == 1


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="maps of 12 and 36 positions, but the weights are for 12"):
        _module()(_maps(1, 1, 2), torch.rand(1, 2, CHANNELS, 36, dtype=torch.float64))
