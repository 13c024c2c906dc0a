"""Scores of pairs from raw maps: the same numbers as from pairs that are formed."""

import pytest
import torch
import torch.nn.functional as F

from sccan.classification.parts.heads import (
    TOGETHER,
    class_means,
    euclidean_scores,
    in_parts,
    patch_cosines,
    true_pair_maps,
    true_pairs,
    unit_scores,
)

B, N, Q, M, C = 2, 3, 4, 6, 5


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_class", [1, Q])
@pytest.mark.parametrize("n_query", [1, N])
def test_cosines_of_patches_are_those_of_every_single_pair(n_class: int, n_query: int) -> None:
    vectors, patches = _random(B, n_class, N, C), _random(B, Q, n_query, M, C, seed=1)
    patches[0, 1, 0, 2] = 0
    want = F.cosine_similarity(vectors.expand(B, Q, N, C).unsqueeze(3), patches.expand(B, Q, N, M, C), dim=-1)
    torch.testing.assert_close(patch_cosines(vectors, patches), want)


def test_the_true_pair_is_picked_or_shared() -> None:
    labels = torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1]])
    tokens, shared = _random(B, Q, N, M, C), _random(B, Q, 1, M, C)
    got = true_pair_maps(tokens, labels, torch.Size((2, 3)))
    assert torch.equal(got[1, 3], tokens[1, 3, 1].T.view(C, 2, 3))
    assert torch.equal(true_pairs(shared, labels), shared[:, :, 0])
    assert torch.equal(true_pairs(tokens[..., 0], labels)[0, 1], tokens[0, 1, 2, :, 0])


def test_queries_go_through_in_parts() -> None:
    seen, tokens = [], _random(1, 2 * TOGETHER + 1, M, C)

    def scores(part: torch.Tensor) -> torch.Tensor:
        seen.append(part.shape[1])
        return part.sum((-2, -1)).unsqueeze(-1)

    assert torch.equal(in_parts(scores, tokens), scores(tokens))
    assert seen[:-1] == [TOGETHER, TOGETHER, 1]


def test_class_means_count_their_own_shots() -> None:
    maps, labels = _random(1, 4, C), torch.tensor([[1, 0, 1, 1]])
    got = class_means(maps, labels, 2)[0]
    torch.testing.assert_close(got, torch.stack([maps[0, 1], maps[0, [0, 2, 3]].mean(0)]))


def test_scores_of_unit_vectors_are_the_euclidean_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = F.normalize(torch.randn(2, 4, 9, generator=generator), dim=-1)
    queries = 1.2 * F.normalize(torch.randn(2, 5, 9, generator=generator), dim=-1)
    torch.testing.assert_close(unit_scores(classes, queries), euclidean_scores(classes, queries))
