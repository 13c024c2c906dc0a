"""Clusters of well separated vectors, and prototypes drawn towards them."""

import pytest
import torch

from sccan.classification.parts.clusters import cluster_centres, drawn_prototypes


def test_separated_clusters_are_found_whatever_the_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([[0.0, 0.0, 9.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [-9.0, 0.0, 0.0]])
    vectors = means.repeat(6, 1) + 0.5 * torch.randn(24, 3, generator=generator)
    want = vectors.view(6, 4, 3).mean(0)
    for seed in range(5):
        found = cluster_centres(vectors, 4, seed=seed)
        order = torch.cdist(want, found).argmin(1)
        assert sorted(order.tolist()) == [0, 1, 2, 3]
        torch.testing.assert_close(found[order], want)


def test_equal_vectors_make_clusters_too_and_too_few_are_refused() -> None:
    assert torch.equal(cluster_centres(torch.ones(5, 2), 3), torch.ones(3, 2))
    with pytest.raises(ValueError, match="2 vectors cannot make 3 clusters"):
        cluster_centres(torch.ones(2, 2), 3)


def test_prototypes_move_half_way_to_the_nearest_centre_which_they_may_share() -> None:
    prototypes, centres = torch.tensor([[0.0, 2.0], [4.0, 0.0], [0.0, 4.0]]), torch.tensor([[0.0, 4.0], [2.0, 0.0]])
    assert drawn_prototypes(prototypes, centres).tolist() == [[0.0, 3.0], [3.0, 0.0], [0.0, 4.0]]
