"""Losses: numbers by hand, ignored pixels, refusals."""

import pytest
import torch
import torch.nn.functional as F

from sccan.segmentation.parts.losses import dice_loss, pixel_cross_entropy


def test_dice_worked_by_hand() -> None:
    """Logits 0 (probability 1/2) everywhere; picture 0 has one foreground pixel of two, picture 1 none."""
    logits, labels = torch.zeros(2, 2, 1, 2), torch.tensor([[[0, 1]], [[0, 0]]])
    # Picture 0, either channel: 1 - 2 * 0.5 / (0.5 + 1). Picture 1: background 1 - 2 * 1 / (0.5 + 2), foreground 1.
    want = ((1 - 1 / 1.5) * 2 + (1 - 2 / 2.5) + 1) / 2
    assert dice_loss(logits, labels).item() == pytest.approx(want)


def test_ignored_pixels_are_negatives_unless_asked_to_be_left_out() -> None:
    logits, labels = torch.zeros(1, 2, 1, 3), torch.tensor([[[0, 1, 255]]])
    assert dice_loss(logits, labels).item() == pytest.approx(2 * (1 - 1 / 1.75))
    assert dice_loss(logits, labels, ignore=255).item() == pytest.approx(2 * (1 - 1 / 1.5))
    # Leaving pixels out equals cutting them off.
    assert dice_loss(logits, labels, ignore=255) == dice_loss(logits[..., :2], labels[..., :2])


def test_a_perfect_prediction_costs_nothing_and_the_opposite_costs_one_per_channel() -> None:
    labels = torch.tensor([[[0, 1, 1], [1, 0, 0]]]).expand(2, 2, 3)
    logits = 40.0 * (2 * F.one_hot(labels, 2).movedim(-1, 1) - 1)
    assert dice_loss(logits, labels).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-logits, labels).item() == pytest.approx(2)


def test_dice_computes_in_float32_whatever_the_logits_are() -> None:
    logits, labels = torch.randn(2, 2, 9, 7), torch.randint(0, 2, (2, 9, 7))
    half = dice_loss(logits.bfloat16(), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, dice_loss(logits.bfloat16().float(), labels))


def test_cross_entropy_is_the_weighted_mean_over_pixels_that_count() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, 3, generator=generator)
    labels = torch.randint(0, 4, (2, 5, 3), generator=generator)
    labels[0, :2] = 255
    weight = torch.tensor([0.4, 1.0, 1.0, 1.0])
    want = F.cross_entropy(logits, labels, weight, ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, background_weight=0.4), want)


def test_a_picture_without_pixels_that_count_costs_zero_and_has_finite_gradients() -> None:
    logits = torch.randn(1, 3, 4, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((1, 4, 2), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("loss", [dice_loss, pixel_cross_entropy])
def test_labels_of_another_size_are_refused(loss: object) -> None:
    assert callable(loss)
    with pytest.raises(ValueError, match=r"logits are \(4, 5\) but labels are \(5, 4\)"):
        loss(torch.zeros(2, 2, 4, 5), torch.zeros(2, 5, 4, dtype=torch.int64))
