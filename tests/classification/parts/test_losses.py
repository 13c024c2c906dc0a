"""The cross-entropy of a map that shares one label."""

import pytest
import torch

from sccan.classification.parts.losses import map_cross_entropy


def test_it_is_the_mean_of_the_cross_entropies_of_all_positions() -> None:
    scores, labels = torch.randn(3, 4, 2, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 0, 2])
    by_hand = [-scores[n].log_softmax(0)[labels[n]] for n in range(3)]
    torch.testing.assert_close(map_cross_entropy(scores, labels), torch.stack(by_hand).mean())


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="3 score maps but 2 labels"):
        map_cross_entropy(torch.zeros(3, 4, 2, 5), torch.tensor([0, 1]))
