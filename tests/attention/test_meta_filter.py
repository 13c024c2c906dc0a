"""Meta-filters: sampling against torchvision's deformable convolution, the lean scores against the filtered maps."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import deform_conv2d

from sccan.attention import meta_filter
from sccan.attention.flow import solver, three_eighths_step
from sccan.attention.meta_filter import MetaFilter, filter_response, flow_factor, position_taps
from tests.attention.published_meta_filter import published_scores
from tests.savings.memory import allocated_peak

B, N, Q, C, H, W = 2, 3, 4, 6, 4, 5


def _module(groups: int = 3, size: int = 1, **settings: bool) -> MetaFilter:
    torch.manual_seed(0)
    module = MetaFilter(C, groups=groups, size=size, **settings)
    module.offset.weight.data *= 5  # offsets of several cells, so that many samples lie outside the map
    module.project.weight.data *= 3
    return module.double()


def _maps() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((B, N, C, H, W), (B, Q, C, H, W), (B, N, C))
    class_maps, query_maps, kernels = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return class_maps.requires_grad_(), query_maps.requires_grad_(), kernels.requires_grad_()


def _pairs(class_maps: Tensor, query_maps: Tensor) -> tuple[Tensor, Tensor]:
    """Every pair in full, as published: [B * N * Q, C, H, W] each."""
    classes = class_maps.unsqueeze(2).expand(-1, -1, Q, -1, -1, -1)
    return classes.flatten(0, 2), query_maps.unsqueeze(1).expand(-1, N, -1, -1, -1, -1).flatten(0, 2)


def _literal_filters(module: MetaFilter, class_maps: Tensor, query_maps: Tensor) -> tuple[Tensor, Tensor]:
    classes, queries = _pairs(class_maps, query_maps)
    offsets = module.offset(torch.cat([queries, classes], dim=1))
    return offsets, deform_conv2d(classes, offsets, module.project.weight, padding=1).sigmoid()


def _literal_phi(maps: Tensor, filters: Tensor, groups: int, size: int) -> Tensor:
    """Filtering in loops over taps, every position with its own values."""
    filters = filters.unflatten(1, (groups, size, size)).repeat_interleave(C // groups, dim=1)
    padded = F.pad(maps, (size // 2,) * 4)
    total = torch.zeros_like(maps)
    for row in range(size):
        for column in range(size):
            total = total + padded[..., row : row + H, column : column + W] * filters[:, :, row, column]
    return total.relu()


def _literal_flow(maps: Tensor, filters: Tensor, groups: int, size: int) -> Tensor:
    k1 = _literal_phi(maps, filters, groups, size)
    k2 = _literal_phi(maps + k1 / 3, filters, groups, size)
    k3 = _literal_phi(maps + k2 - k1 / 3, filters, groups, size)
    k4 = _literal_phi(maps + k1 - k2 + k3, filters, groups, size)
    return maps + (k1 + 3 * k2 + 3 * k3 + k4) / 8


def test_offsets_and_filters_are_those_of_a_deformable_convolution_of_every_pair() -> None:
    module, (class_maps, query_maps, _) = _module(), _maps()
    classes = module.prepare(class_maps)
    offsets = module.offsets(classes, query_maps)
    want_offsets, want_filters = _literal_filters(module, class_maps, query_maps)
    assert float(want_offsets.detach().abs().max()) > 3
    torch.testing.assert_close(offsets.flatten(0, 2), want_offsets)
    torch.testing.assert_close(module.filters(classes, offsets).transpose(2, 3).flatten(0, 2), want_filters)


@pytest.mark.parametrize("ode", [True, False])
@pytest.mark.parametrize(("groups", "size"), [(1, 1), (3, 1), (6, 1), (2, 3), (3, 5)])
def test_scores_and_their_gradients_are_those_of_the_filtered_pairs(
    groups: int, size: int, ode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meta_filter, "PAIR_ELEMENTS", 3 * B * N * H * W * (groups if size == 1 else C * size**2))
    module, (class_maps, query_maps, kernels) = _module(groups, size, ode=ode), _maps()
    _, filters = _literal_filters(module, class_maps, query_maps)
    _, queries = _pairs(class_maps, query_maps)
    literal = (_literal_flow if ode else _literal_phi)(queries, filters, groups, size).unflatten(0, (B, N, Q))
    want = (literal * kernels[:, :, None, :, None, None]).sum(3)
    got = module.scores(module.prepare(class_maps), query_maps, kernels)  # in chunks of three queries and one
    torch.testing.assert_close(got, want)
    with torch.no_grad():
        torch.testing.assert_close(module.scores(module.prepare(class_maps), query_maps, kernels), want)
    cotangent = torch.randn(want.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    leaves = [class_maps, query_maps, kernels, *module.parameters()]
    expected = torch.autograd.grad((want * cotangent).sum(), leaves)
    for one, other in zip(torch.autograd.grad((got * cotangent).sum(), leaves), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_closed_form_is_the_runge_kutta_step_and_close_to_the_exponential() -> None:
    maps = torch.tensor([[[[2.0, -3.0, 0.0]]]], dtype=torch.float64, requires_grad=True)
    taps = torch.tensor([[[[0.5, 0.9, 0.3]]]], dtype=torch.float64)
    result = three_eighths_step(partial(filter_response, taps=taps), maps)
    assert result.flatten().tolist() == pytest.approx([2 * (1 + 0.5 + 0.125 + 0.5**3 / 6 + 0.5**4 / 24), -3.0, 0.0])
    assert float(flow_factor(torch.tensor(1.0))) == pytest.approx(1 + 1 + 1 / 2 + 1 / 6 + 1 / 24)
    assert math.e - float(flow_factor(torch.tensor(1.0))) == pytest.approx(0.00995, abs=1e-5)


def test_an_adaptive_solver_finds_the_exponential() -> None:
    maps = torch.tensor([[[[2.0, -3.0, 0.0]]]], dtype=torch.float64)
    rate = partial(filter_response, taps=torch.tensor([[[[0.5, 0.9, 0.3]]]], dtype=torch.float64))
    ends = solver("dopri5", 1e-8)(rate, maps)
    assert ends.flatten().tolist() == pytest.approx([2 * math.exp(0.5), -3.0, 0.0], abs=1e-6)


@pytest.mark.parametrize(("groups", "size"), [(3, 1), (2, 3)])
def test_the_solver_of_the_published_package_takes_the_published_step(groups: int, size: int) -> None:
    module, maps = _module(groups, size), _maps()
    plain = module.scores(module.prepare(maps[0]), *maps[1:])
    module.flow, module.closed_form = solver("rk4", 0.01), False
    torch.testing.assert_close(module.scores(module.prepare(maps[0]), *maps[1:]), plain)


def test_a_feature_of_zero_passes_its_gradient_on_unchanged() -> None:
    query = torch.zeros(1, 1, 2, 1, 1, requires_grad=True)
    filters, kernels = torch.full((1, 1, 1, 1, 1, 1), 0.7), torch.tensor([[[3.0, -2.0]]])
    meta_filter.single_tap_scores(query, filters, kernels, ode=True).sum().backward()
    assert query.grad is not None
    assert query.grad.flatten().tolist() == [3.0, -2.0]


def test_scrambled_taps_are_consecutive_elements_of_memory() -> None:
    filters = torch.arange(2 * 9 * 4.0).view(1, 2, 9, 4)  # 2 groups, 4 positions
    scrambled = position_taps(filters, scrambled=True)
    assert scrambled[0, 0, :, 0].tolist() == list(range(9))
    assert scrambled[0, 1, :, 2].tolist() == list(range(36 + 18, 36 + 27))
    assert torch.equal(position_taps(filters, scrambled=False), filters)
    assert torch.equal(position_taps(filters[:, :, :1], scrambled=True), filters[:, :, :1])


def test_maps_of_a_single_row_are_sampled_too() -> None:
    module = MetaFilter(4, groups=2)
    class_maps, query_maps = torch.randn(1, 2, 4, 1, 3), torch.randn(1, 1, 4, 1, 3)
    scores = module.scores(module.prepare(class_maps), query_maps, torch.randn(1, 2, 4))
    assert scores.shape == (1, 2, 1, 1, 3)
    assert bool(scores.isfinite().all())


def test_unfit_groups_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="4 groups do not divide 6 channels"):
        MetaFilter(6, groups=4)
    with pytest.raises(ValueError, match="filter size is 2, but must be odd"):
        MetaFilter(6, groups=3, size=2)


@pytest.mark.parametrize(("groups", "size"), [(3, 1), (6, 1), (2, 3)])
def test_scores_are_those_of_the_published_arithmetic(groups: int, size: int) -> None:
    """With the published order of memory for larger filters this is another function; see the scrambled taps."""
    module, (class_maps, query_maps, kernels) = _module(groups, size), _maps()
    want = published_scores(module, class_maps, query_maps, kernels)
    got = module.scores(module.prepare(class_maps), query_maps, kernels)
    torch.testing.assert_close(got, want)
    leaves = [class_maps, query_maps, kernels, *module.parameters()]
    cotangent = torch.randn(want.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = torch.autograd.grad((want * cotangent).sum(), leaves)
    for one, other in zip(torch.autograd.grad((got * cotangent).sum(), leaves), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_training_needs_less_than_a_third_of_the_published_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 4, a group per channel; tensors of all pairs, and so the chunks, are an 80th of the published ones."""
    channels, (n_batch, n_class, n_query) = 16, (4, 5, 15)
    monkeypatch.setattr(meta_filter, "PAIR_ELEMENTS", meta_filter.PAIR_ELEMENTS // 80)
    torch.manual_seed(0)
    module = MetaFilter(channels, groups=channels)
    class_maps, query_maps = (
        torch.randn(n_batch, n_class, channels, 11, 11),
        torch.randn(n_batch, n_query, channels, 11, 11),
    )
    kernels = torch.randn(n_batch, n_class, channels)

    def ours() -> Tensor:
        return module.scores(module.prepare(class_maps), query_maps, kernels)

    def published() -> Tensor:
        return published_scores(module, class_maps, query_maps, kernels)

    peaks = []
    for scores in (ours, published):
        leaves = [tensor.requires_grad_() for tensor in (class_maps, query_maps, kernels)]
        peaks.append(allocated_peak(lambda scores=scores: scores().square().mean().backward())[0])
        for leaf in (*leaves, *module.parameters()):
            leaf.grad = None
    assert peaks[0] < peaks[1] / 3
