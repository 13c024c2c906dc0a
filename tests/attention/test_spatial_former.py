"""The SpatialFormer unit: numbers by hand, and its shortcuts against the plain computation."""

import math

import pytest
import torch
from torch import Tensor

from sccan.attention.spatial_former import SpatialFormerUnit, paired_attention
from tests.attention.plain_pairs import attended


def _plain(unit: SpatialFormerUnit, x: Tensor, reference: Tensor) -> Tensor:
    """One map [N, C] that looks at [M, C]."""
    return attended(unit, x.T.unsqueeze(0), reference.T.unsqueeze(0))[0].T


def _unit(**options: object) -> SpatialFormerUnit:
    torch.manual_seed(0)
    unit = SpatialFormerUnit(6, **options).eval()
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return unit


@pytest.mark.parametrize(
    "options", [{}, {"heads": 3}, {"temperature": 0.1}, {"temperature": 0.1, "heads": 2}, {"transformer": True}]
)
def test_shortcuts_equal_the_plain_computation(options: dict[str, object]) -> None:
    unit, generator = _unit(**options), torch.Generator().manual_seed(1)
    tokens, reference = torch.randn(2, 5, 6, generator=generator), torch.randn(2, 4, 6, generator=generator)
    with torch.no_grad():
        got = unit(tokens, reference)
        for number in range(2):
            want = _plain(unit, tokens[number], reference[number])
            torch.testing.assert_close(got[number], want, atol=1e-4, rtol=0)


def test_pairs_are_attended_one_after_the_other() -> None:
    unit, generator = _unit(temperature=0.1), torch.Generator().manual_seed(2)
    classes, queries = torch.randn(2, 3, 5, 6, generator=generator), torch.randn(2, 4, 5, 6, generator=generator)
    with torch.no_grad():
        got_classes, got_queries = paired_attention(unit, classes, queries)
        assert got_classes.shape == got_queries.shape == (2, 4, 3, 5, 6)
        new_class = _plain(unit, classes[1, 2], queries[1, 3])
        torch.testing.assert_close(got_classes[1, 3, 2], new_class, atol=1e-4, rtol=0)
        want = _plain(unit, queries[1, 3], new_class)
        torch.testing.assert_close(got_queries[1, 3, 2], want, atol=1e-4, rtol=0)


def test_a_message_along_the_token_doubles_it() -> None:
    unit = SpatialFormerUnit(2, dropout=0.0).eval()
    with torch.no_grad():
        for layer in (unit.merge, unit.value, unit.query, unit.key):
            layer.weight.copy_(torch.eye(2).unsqueeze(-1))
            layer.bias.zero_()
        unit.feed_forward.linear2.weight.zero_()
        unit.feed_forward.linear2.bias.zero_()
        unit.feed_forward.norm = torch.nn.Identity()
        tokens = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        out = unit(tokens, torch.tensor([[5.0, 0.0]]))
    gain = 1 + 1 / math.sqrt(2)
    torch.testing.assert_close(out, torch.tensor([[6.0, 0.0], [0.0, 2.0], [gain, gain]]), atol=1e-4, rtol=0)


def test_projections_start_equal_and_sizes_are_the_published_ones() -> None:
    unit = SpatialFormerUnit(640)
    assert sum(p.numel() for p in unit.parameters()) == 3_282_560
    assert all(torch.equal(layer.weight, unit.merge.weight) for layer in (unit.query, unit.key, unit.value))


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="6 channels do not divide into 4 heads"):
        SpatialFormerUnit(6, heads=4)
