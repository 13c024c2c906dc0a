"""Whether a class is there is decided by how alike a region is to the examples; numbers worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from sccan.episodes.episode import Features
from sccan.segmentation.finding.absence import class_likeness, foreground_sums


def _features(*pictures: list[list[list[float]]]) -> Features:
    """Pictures as rows of cells of two channels; the shallower stage would say the opposite."""
    deep = torch.tensor(pictures).movedim(-1, 1)
    return Features({"layer4": deep, "layer2": -deep.flip(1)}, (2 * deep.shape[-2], 2 * deep.shape[-1]))


def _mask(rows: list[list[int]]) -> Tensor:
    """Every cell of the map is two by two pixels."""
    return torch.tensor(rows).repeat_interleave(2, 0).repeat_interleave(2, 1)


FOREGROUND, BACKGROUND = [1.0, 0.0], [0.0, 2.0]


def test_with_one_example_the_threshold_is_halfway_to_itself() -> None:
    likeness = class_likeness(_features([[FOREGROUND, BACKGROUND, BACKGROUND]]), _mask([[1, 0, 0]])[None])
    assert torch.allclose(likeness.prototype, torch.tensor([1.0, 0.0]), atol=1e-3)
    assert (likeness.background, likeness.itself) == (pytest.approx(0.0), 1.0)
    assert likeness.threshold == pytest.approx(0.5)
    assert likeness.of(torch.tensor([3.0, 3.0])) == pytest.approx(math.sqrt(0.5))
    assert not likeness.is_absent(torch.tensor([3.0, 3.0]))
    assert likeness.is_absent(torch.tensor([1.0, 2.0]))  # 0.447
    assert likeness.is_absent(torch.zeros(2))


def test_with_several_examples_it_is_how_alike_they_are() -> None:
    support = _features([[[1.0, 0.0], BACKGROUND]], [[[1.0, 1.0], BACKGROUND]])
    likeness = class_likeness(support, torch.stack([_mask([[1, 0]])] * 2))
    assert likeness.itself == pytest.approx(math.sqrt(0.5), abs=1e-3)
    background = 0.5 / math.sqrt(1 + 0.25)  # of [0, 1] with the mean of both foregrounds, [1, 0.5]
    assert likeness.background == pytest.approx(background, abs=1e-3)
    assert likeness.threshold == pytest.approx((likeness.background + likeness.itself) / 2)


def test_ignored_pixels_are_neither() -> None:
    support = _features([[FOREGROUND, BACKGROUND, [5.0, 5.0]]])
    likeness = class_likeness(support, _mask([[1, 0, 255]])[None])
    assert likeness.background == pytest.approx(0.0)


def test_an_example_without_background_still_has_a_threshold() -> None:
    likeness = class_likeness(_features([[FOREGROUND, FOREGROUND]]), _mask([[1, 1]])[None])
    assert likeness.threshold == pytest.approx(0.5)


def test_sums_of_tiles_add_up_to_those_of_the_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    deep, region = torch.randn(2, 3, 4, 6, generator=generator), torch.rand(2, 8, 12, generator=generator) > 0.5
    whole = foreground_sums(Features({"layer3": deep}, (8, 12)), region)
    parts = [
        foreground_sums(Features({"layer3": deep[..., part]}, (8, 6)), region[..., 2 * part.start : 2 * part.stop])
        for part in (slice(0, 2), slice(2, 6))
    ]
    assert whole.shape == (2, 3)
    assert torch.allclose(sum(parts), whole, atol=1e-5)  # type: ignore[arg-type]
