"""A bad example is told from good ones, whether there are several or only one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.data.transforms.published import KeepAspect
from sccan.segmentation.finding.segmenting import Segmenting, Shot
from sccan.segmentation.finding.self_consistency import (
    COPIES,
    brighter,
    enlarged,
    mask_iou,
    mirrored,
    paler,
    reduced,
    support_consistency,
    warmer,
)
from tests.predict.made_up import disc


class NearestColour(Method):
    """A pixel belongs to whichever mean colour of the examples is nearer, foreground's or background's."""

    def encode(self, images: Tensor) -> Features:
        return Features({"layer1": images}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor) -> Tensor:
        colours = support.maps["layer1"].movedim(2, -1)  # [B, K, H, W, 3]
        return torch.stack([colours[labels == value].mean(0) for value in (0, 1)])

    def predict(self, query: Features, state: Tensor) -> Tensor:
        colours = query.maps["layer1"].unsqueeze(3)  # [B, Q, 3, 1, H, W]
        return -(colours - state.T[None, None, :, :, None, None]).square().sum(2)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        return {"total": outputs.sum()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {}


TASK = Segmenting(NearestColour(), KeepAspect(65, multiple=1), device=torch.device("cpu"), batch=3)


def _shot(seed: int, *, moved: int = 0, number: int = 1) -> Shot:
    image, inside = disc(60 + 3 * seed, 80, seed)
    return Shot(f"{seed}.jpg", image, np.roll(inside, moved, axis=1).astype(np.uint8) * np.uint8(number))


def test_a_bad_example_is_found_and_spoils_no_other() -> None:
    shots = [_shot(0), _shot(1), _shot(2, moved=40), _shot(3)]
    found = support_consistency(TASK, shots, ["disc"])
    assert [one.name for one in found] == [shot.name for shot in shots]
    assert {one.how for one in found} == {"predicted from each of 3 others"}
    assert found[2].iou < 0.2
    assert min(one.iou for one in found if one is not found[2]) > 0.9
    for one, shot in zip(found, shots, strict=True):
        assert one.prediction.shape == shot.label.shape
        assert one.iou == pytest.approx(np.divide(*mask_iou(one.prediction, one.truth)))


def test_every_class_is_judged_by_its_own_examples() -> None:
    found = support_consistency(TASK, [_shot(0), _shot(1), _shot(2, number=2)], ["disc", "moon"])
    assert [(one.name, one.class_name) for one in found] == [("0.jpg", "disc"), ("1.jpg", "disc"), ("2.jpg", "moon")]
    assert [one.how.split(";")[0] for one in found] == [
        *["predicted from the other"] * 2,
        f"found again in {len(COPIES)} altered copies of it",
    ]


@pytest.mark.parametrize(("moved", "low", "high"), [(0, 0.9, 1.0), (40, 0.0, 0.3)])
def test_a_single_example_is_judged_by_copies_of_itself(moved: int, low: float, high: float) -> None:
    (found,) = support_consistency(TASK, [_shot(0, moved=moved)], ["disc"])
    assert low <= found.iou <= high
    assert any(name in found.how for name in COPIES)
    assert found.image.shape[:2] == found.prediction.shape == found.truth.shape


def test_with_many_examples_each_is_predicted_from_some() -> None:
    found = support_consistency(TASK, [_shot(seed) for seed in range(11)], ["disc"])
    assert {one.how for one in found} == {"predicted from each of 8 others"}


def test_iou_leaves_ignored_pixels_out() -> None:
    prediction = np.array([[1, 1, 0, 1], [0, 0, 1, 1]], np.uint8)
    truth = np.array([[1, 0, 1, 255], [0, 1, 1, 255]], np.uint8)
    assert mask_iou(prediction, truth) == (2, 5)


@given(
    st.sampled_from([mirrored, enlarged, reduced, brighter, paler, warmer]),
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.integers(0, 9),
)
def test_copies_keep_picture_and_mask_together(copy: Callable, size: tuple[int, int], seed: int) -> None:
    """The green channel shows the mask: wherever the copy's mask says something, its picture agrees."""
    generator = np.random.default_rng(seed)
    mask = (generator.random(size) < 0.4).astype(np.uint8)
    mask[generator.integers(size[0]), generator.integers(size[1])] = 1
    image = np.repeat(mask[..., None] * np.uint8(200) + 25, 3, axis=2)
    kept = image.copy(), mask.copy()
    new_image, new_mask = copy(image, mask)
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(mask, kept[1])
    assert new_image.dtype == np.uint8
    assert new_image.shape == (*new_mask.shape, 3)
    assert (new_mask == 1).any() or copy is reduced
    if copy is not reduced:  # which mixes neighbouring pixels
        np.testing.assert_array_equal(new_image[..., 1] > 127, new_mask == 1)


def test_the_reduced_copy_is_smaller_and_its_rim_ignored() -> None:
    mask = np.zeros((28, 42), np.uint8)
    mask[7:21, 14:28] = 1
    _, small = reduced(np.full((28, 42, 3), 90, np.uint8), mask)
    assert small.shape == mask.shape
    assert np.count_nonzero(small != 255) == 20 * 30
    assert np.count_nonzero(small == 1) == 10 * 10


def test_the_enlarged_copy_is_cut_around_the_object() -> None:
    mask = np.zeros((28, 42), np.uint8)
    mask[20:28, 38:42] = 1
    image = np.arange(28 * 42, dtype=np.uint16).astype(np.uint8).reshape(28, 42, 1).repeat(3, 2)
    part, cut = enlarged(image, mask)
    np.testing.assert_array_equal(part, image[8:, 12:])
    np.testing.assert_array_equal(cut, mask[8:, 12:])
