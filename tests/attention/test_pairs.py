"""Products of pairs: every pattern of missing dimensions against plain broadcasting."""

import pytest
import torch

from sccan.attention.pairs import affinities, apart, mixtures

LEADS = [
    ((2, 1, 3), (2, 4, 1)),
    ((2, 4, 1), (2, 1, 3)),
    ((2, 4, 3), (2, 1, 3)),
    ((1, 1), (4, 3)),
    ((2, 3), ()),
    ((3,), (2, 3)),
    ((), ()),
    ((2, 1, 1), (2, 1, 1)),
]


@pytest.mark.parametrize(("left", "right"), LEADS)
def test_products_are_those_of_broadcasting(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(*left, 5, 7, generator=generator), torch.randn(*right, 6, 7, generator=generator)
    got = affinities(x, y)
    torch.testing.assert_close(got, x @ y.transpose(-1, -2), atol=1e-5, rtol=0)
    torch.testing.assert_close(mixtures(x @ y.transpose(-1, -2), y), x @ y.transpose(-1, -2) @ y, atol=1e-4, rtol=0)
    weights = torch.randn(*left, 5, 6, generator=generator)
    torch.testing.assert_close(mixtures(weights, y), weights @ y, atol=1e-5, rtol=0)


def test_maps_of_pairs_are_not_copied() -> None:
    classes, queries = torch.randn(2, 3, 5, 4), torch.randn(2, 6, 5, 4)
    pairs = apart(classes, queries)
    assert (pairs.classes.shape, pairs.queries.shape) == ((2, 1, 3, 5, 4), (2, 6, 1, 5, 4))
    assert pairs.classes.data_ptr() == classes.data_ptr()
    assert pairs.queries.data_ptr() == queries.data_ptr()
