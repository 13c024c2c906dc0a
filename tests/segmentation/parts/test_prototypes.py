"""Masked average pooling, by hand."""

import torch

from sccan.segmentation.parts.prototypes import masked_average_pooling


def test_the_average_is_weighted_by_a_soft_mask() -> None:
    features = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])  # [C=2, H=2, W=3]
    mask = torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.0, 0.5]]])
    got = masked_average_pooling(features, mask)
    torch.testing.assert_close(got, torch.tensor([1.0 + 1.0 + 3.0, 0.5]) / 2.0005)


def test_leading_dimensions_are_kept_and_an_empty_mask_gives_zeros() -> None:
    features, mask = torch.rand(2, 3, 5, 4, 6), torch.zeros(2, 3, 1, 4, 6)
    mask[1, 2, :, 1:3, 2:5] = 1
    got = masked_average_pooling(features, mask)
    assert got.shape == (2, 3, 5)
    assert got[0].abs().max() == 0
    torch.testing.assert_close(got[1, 2], features[1, 2, :, 1:3, 2:5].sum((-2, -1)) / 6.0005)
