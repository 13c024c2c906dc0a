"""Clustered-patch element connection: clusters and relations by hand, pairs against one at a time."""

import math

import pytest
import torch

from sccan.attention.element_connection import (
    CLUSTERS,
    CosineCluster,
    ElementConnection,
    ElementFilter,
    GraphCluster,
    MatMulCluster,
    TransformerCluster,
    one_to_many,
    one_to_one,
)
from sccan.attention.pairs import Pairs, apart
from tests.attention.plain_pairs import clusters, connected_pairs, pair_copies

GENERATOR_SEED = 0


def _tokens(*shape: int, seed: int = GENERATOR_SEED) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_clusters_by_hand() -> None:
    tokens = torch.tensor([[math.log(3.0), 0.0]])
    source = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    torch.testing.assert_close(MatMulCluster()(tokens, source), torch.tensor([[0.75, 1.0]]))
    share = math.e / (math.e + 1)  # cosines 1 and 0
    want = torch.tensor([[share, 4 * (1 - share)]])
    torch.testing.assert_close(CosineCluster()(tokens, source), want, atol=1e-4, rtol=0)
    graph = GraphCluster(2)
    with torch.no_grad():
        graph.mix.weight.copy_(-torch.eye(2).unsqueeze(-1))
        graph.mix.bias.zero_()
        torch.testing.assert_close(graph(tokens, source), -0.2 * want, atol=1e-4, rtol=0)


def test_the_transformer_cluster_is_a_network_on_token_and_message_side_by_side() -> None:
    torch.manual_seed(0)
    cluster = TransformerCluster(8, heads=2).train()
    cluster.norm.weight.data.uniform_(0.5, 1.5)
    tokens, source = _tokens(2, 1, 3, 8), _tokens(2, 4, 5, 8, seed=1)
    got = cluster(tokens, source)
    pairs = pair_copies(source.transpose(-1, -2), tokens.transpose(-1, -2))
    want = clusters(cluster, pairs[1], pairs[0]).transpose(-1, -2).unflatten(0, (2, 4))
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    assert torch.equal(cluster.reduce.bias, torch.zeros(8))


def test_elements_are_weighted_by_their_relation() -> None:
    connection = ElementConnection(CosineCluster(), temperature=1.0)
    left, right = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0]])
    found = connection(left, right)
    torch.testing.assert_close(found.left_relation, torch.tensor([1.0, 0.0]), atol=1e-4, rtol=0)
    share = math.e / (math.e + 1)
    left, other = found.weighted()
    torch.testing.assert_close(left, torch.tensor([[1 + share, 0.0], [0.0, 2 - share]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(other, 2 * right)  # one position: its softmax is 1


@pytest.mark.parametrize("kind", CLUSTERS)
def test_pairs_are_those_of_one_class_and_one_query(kind: str) -> None:
    torch.manual_seed(0)
    connection = ElementConnection(CLUSTERS[kind](8)).eval()
    classes, queries = _tokens(2, 3, 5, 8), _tokens(2, 4, 5, 8, seed=1)
    with torch.no_grad():
        pairs = one_to_one(connection, apart(classes, queries))
        alone = connection(classes[1, 2], queries[1, 3])
        for part, one in zip((*pairs[2:], *pairs.weighted()), (*alone[2:], *alone.weighted()), strict=True):
            torch.testing.assert_close(part[1, 3, 2], one, atol=1e-5, rtol=1e-4)
        itself = connection(classes[1, 2], classes[1, 2])
        torch.testing.assert_close(connection.alone(classes)[1, 2], itself.weighted()[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", CLUSTERS)
def test_pairs_are_those_of_the_plain_arithmetic(kind: str, training: bool) -> None:
    torch.manual_seed(0)
    connection = ElementConnection(CLUSTERS[kind](8)).train(training)
    classes, queries = _tokens(2, 3, 5, 8), _tokens(2, 4, 5, 8, seed=1)
    with torch.no_grad():
        maps, relations = connected_pairs(
            connection, *pair_copies(classes.transpose(-1, -2), queries.transpose(-1, -2))
        )
        pairs = one_to_one(connection, apart(classes, queries))
    for part, one in zip(pairs.weighted(), maps, strict=True):
        torch.testing.assert_close(part.flatten(0, 2), one.transpose(-1, -2), atol=1e-5, rtol=1e-3)
    for part, one in zip((pairs.left_relation, pairs.right_relation), relations, strict=True):
        torch.testing.assert_close(part.flatten(0, 2), one, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("kind", CLUSTERS)
def test_one_to_many_connects_a_query_with_all_class_tokens_together(kind: str) -> None:
    torch.manual_seed(0)
    connection = ElementConnection(CLUSTERS[kind](8)).eval()
    classes, queries = _tokens(2, 3, 5, 8), _tokens(2, 4, 5, 8, seed=1)
    with torch.no_grad():
        pairs = one_to_many(connection, apart(classes, queries))
        alone = connection(classes[1].flatten(0, 1), queries[1, 3])  # order of tokens does not matter
    left, right = pairs.weighted()
    assert (left.shape, right.shape) == ((2, 4, 3, 5, 8), (2, 4, 1, 5, 8))
    together, single = alone.weighted()
    torch.testing.assert_close(left[1, 3], together.unflatten(0, (3, 5)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(pairs.left_relation[1, 3].flatten(), alone.left_relation, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(right[1, 3, 0], single, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="differs from class to class"):
        one_to_many(connection, Pairs(left, left))


def test_the_filter_is_a_map_in_and_a_map_out_and_learns_everywhere() -> None:
    torch.manual_seed(0)
    neck, maps = ElementFilter(TransformerCluster(8, heads=2), 8, n_tokens=3), _tokens(2, 8, 3, 5)
    out = neck(maps)
    assert out.shape == maps.shape
    (out * _tokens(2, 8, 3, 5, seed=1)).sum().backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("kind", ["matmul", "cosine"])
@pytest.mark.parametrize("weights", [False, True])
def test_relations_from_gram_matrices_are_those_of_clusters(kind: str, weights: bool) -> None:
    cluster, generator = CLUSTERS[kind](8), torch.Generator().manual_seed(5)
    tokens, source = _tokens(2, 1, 3, 5, 8).requires_grad_(), _tokens(2, 4, 1, 6, 8, seed=1).requires_grad_()
    factors = [None, None]
    if weights:
        factors = [1 + torch.rand(2, 4, 3, n, generator=generator) for n in (5, 6)]
    x, r = (part if f is None else part * f.unsqueeze(-1) for part, f in zip((tokens, source), factors, strict=True))
    x, r = x.expand(2, 4, 3, 5, 8), r.expand(2, 4, 3, 6, 8)
    mixed = cluster(x, r)
    want = (x * mixed).sum(-1) / ((x.norm(dim=-1) + 1e-5) * (mixed.norm(dim=-1) + 1e-5))
    got = cluster.relation(tokens, source, *factors)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
    seen = torch.autograd.grad(want.square().sum(), (tokens, source), retain_graph=True)
    for one, other in zip(torch.autograd.grad(got.square().sum(), (tokens, source)), seen, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["matmul", "cosine"])
def test_a_map_of_zeros_has_relations_of_zero_and_finite_gradients(kind: str) -> None:
    tokens, source = _tokens(5, 8).requires_grad_(), torch.zeros(6, 8, requires_grad=True)
    found = CLUSTERS[kind](8).relation(tokens, source)
    found.sum().backward()
    assert found.abs().max() < 1e-6
    assert torch.isfinite(tokens.grad).all()
    assert torch.isfinite(source.grad).all()


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="6 channels do not divide into 4 heads"):
        TransformerCluster(6)
