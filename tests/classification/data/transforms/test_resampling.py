"""Parts of a batch at another size against Pillow, picture by picture."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sccan.classification.data.transforms.fixed import FILTERS, planes
from sccan.classification.data.transforms.resampling import resized_parts, weights
from tests.classification.made_up import noise_picture

BOXES = [(0, 0, 40, 31), (3, 5, 20, 24), (10, 2, 7, 29), (1, 30, 39, 1), (12, 9, 25, 12)]


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(20, 24), (61, 50)])
def test_a_batch_is_what_torch_and_pillow_make_of_its_pictures(kind: str, size: tuple[int, int]) -> None:
    pictures = [noise_picture(40, 31, seed) for seed in range(len(BOXES))]
    flipped = torch.tensor([0, 1, 0, 0, 1])
    got = resized_parts(planes(pictures), torch.tensor(BOXES), flipped, size, kind)
    for picture, (row, column, height, width), swap, result in zip(pictures, BOXES, flipped, got, strict=True):
        part = picture[row : row + height, column : column + width]
        exact = F.interpolate(planes([part]).double(), size, mode=kind, antialias=True, align_corners=False)[0]
        near = np.asarray(Image.fromarray(part).resize((size[1], size[0]), FILTERS[kind]))
        exact, near = (levels.flip(-1) if swap else levels for levels in (exact, planes([near])[0]))
        assert float((result - exact.clamp(0, 255)).abs().max()) <= 0.501  # rounded
        assert float((result - near).abs().mean()) < 0.3


def test_a_part_of_the_wanted_size_is_only_cut_out() -> None:
    pixels = planes([noise_picture(12, 15, seed) for seed in range(2)])
    got = resized_parts(pixels, torch.tensor([[2, 3, 8, 9], [0, 6, 8, 9]]), torch.zeros(2), (8, 9), "bilinear")
    want = torch.stack([pixels[0, :, 2:10, 3:12], pixels[1, :, 0:8, 6:15]]).float()
    assert torch.equal(got, want)


def test_weights_sum_to_one_and_leave_what_is_outside_alone() -> None:
    rows = weights(torch.tensor([2, 0]), torch.tensor([6, 10]), 10, 4, "bilinear")
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 4))
    assert float(rows[0, :, :2].abs().max()) == float(rows[0, :, 8:].abs().max()) == 0.0
    # Six cells onto four: the filter reaches 1.5 cells either way of 0.75, so cells 0..2 weigh 5 / 6, 1 / 2, 0 ...
    torch.testing.assert_close(rows[0, 0, 2:5], torch.tensor([5 / 6, 1 / 2, 0.0]) / (5 / 6 + 1 / 2))
