"""Features as the vectors that pictures are compared by."""

import torch

from sccan.episodes.episode import Features
from sccan.episodes.stacking import picture_vectors


def test_vectors_are_averages_of_the_deepest_maps() -> None:
    maps = {"one": torch.zeros(2, 3, 4, 5), "two": torch.arange(2 * 6 * 2 * 3.0).view(2, 6, 2, 3)}
    features = Features(maps, (8, 10))
    assert features.deepest == "two"
    torch.testing.assert_close(picture_vectors(features), maps["two"].mean((2, 3)))
