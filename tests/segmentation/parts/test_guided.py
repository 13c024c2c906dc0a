"""The guided filter against least squares window by window, and what it does at a border of colours."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sccan.segmentation.parts.guided import guided, halved

REGULARITY = 1e-3


def _plain(scores: np.ndarray, colours: np.ndarray, radius: int) -> np.ndarray:
    """Slopes and offsets of every window by ridge regression on its own pixels, averaged, applied; [h, w]."""
    height, width = scores.shape
    functions = np.zeros((height, width, 4))
    windows = {}
    for y in range(height):
        for x in range(width):
            rows, columns = slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1)
            windows[y, x] = rows, columns
            inside, wanted = colours[:, rows, columns].reshape(3, -1).T, scores[rows, columns].ravel()
            centred = inside - inside.mean(0)
            spread = centred.T @ centred / len(inside) + REGULARITY * np.eye(3)
            slopes = np.linalg.solve(spread, centred.T @ (wanted - wanted.mean()) / len(inside))
            functions[y, x] = *slopes, wanted.mean() - slopes @ inside.mean(0)
    averaged = np.array([[functions[windows[y, x]].mean((0, 1)) for x in range(width)] for y in range(height)])
    return (averaged[..., :3] * colours.transpose(1, 2, 0)).sum(-1) + averaged[..., 3]


@pytest.mark.parametrize("radius", [1, 3])
def test_it_is_least_squares_in_every_window(radius: int) -> None:
    rng = np.random.default_rng(0)
    scores, colours = rng.normal(size=(2, 9, 7)), rng.random((2, 3, 9, 7))
    one = torch.from_numpy(colours)
    found = guided(torch.from_numpy(scores), one, one, radius=radius, regularity=REGULARITY)
    want = np.stack([_plain(*pair, radius) for pair in zip(scores, colours, strict=True)])
    np.testing.assert_allclose(found.numpy(), want, atol=1e-6)


def test_a_blurred_border_moves_onto_the_change_of_colour() -> None:
    large = torch.zeros(1, 3, 40, 48)
    large[..., 22:] = 0.8
    small = F.avg_pool2d(large, 2)
    columns = torch.arange(24.0)
    scores = torch.tanh(columns - 11.5).expand(1, 20, 24)  # crosses zero at 24 of the large picture
    found = guided(scores, small, large, radius=3, regularity=REGULARITY)
    assert found.shape == (1, 40, 48)
    assert (found[..., 22:] > 0).all()
    assert (found[..., :22] < 0).all()


def test_without_a_change_of_colour_scores_are_averaged() -> None:
    flat, scores = torch.full((1, 3, 12, 10), 0.4), torch.randn(1, 12, 10, generator=torch.manual_seed(0))
    want = scores[:, None]
    for _ in range(2):
        want = F.avg_pool2d(want, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(
        guided(scores, flat, flat, radius=1, regularity=REGULARITY), want[:, 0], atol=1e-4, rtol=0
    )


def test_radius_0_leaves_the_scores_as_they_are() -> None:
    generator = torch.manual_seed(0)
    small, large = torch.rand(1, 3, 6, 5, generator=generator), torch.rand(1, 3, 12, 10, generator=generator)
    scores = torch.randn(1, 6, 5, generator=generator)
    found = guided(scores, small, large, radius=0, regularity=REGULARITY)
    want = F.interpolate(scores[:, None], (12, 10), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(found, want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(8, 6), (7, 6), (8, 5), (1, 3)])
def test_halved_pictures_are_pooled_ones(size: tuple[int, int]) -> None:
    pictures = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(halved(pictures), F.avg_pool2d(pictures, 2, ceil_mode=True))
