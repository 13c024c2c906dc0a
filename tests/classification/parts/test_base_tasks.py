"""Rotations, base classes and learned weights of losses: numbers by hand, and refusals."""

import math

import pytest
import torch

from sccan.classification.parts.base_tasks import BaseTasks, PatchOutputs, TaskSettings, base_class_ids, rotated
from sccan.classification.parts.losses import LearnedWeights, map_cross_entropy, map_focal_loss
from tests.classification.made_up import made_up_episode


def test_rotations_follow_their_picture_counter_clockwise() -> None:
    images = torch.arange(24.0).view(2, 1, 3, 2, 2)
    turned = rotated(images)
    assert turned.shape == (2, 4, 3, 2, 2)
    assert turned[0, :, 0].tolist() == [[[0, 1], [2, 3]], [[1, 3], [0, 2]], [[3, 2], [1, 0]], [[2, 0], [3, 1]]]
    two = torch.stack([images[:, 0], images[:, 0] + 100], dim=1)
    torch.testing.assert_close(rotated(two)[:, 4:], turned + 100)


def test_pictures_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="pictures of 20x40 change their shape"):
        rotated(torch.zeros(1, 2, 3, 20, 40))


def test_focal_loss_by_hand_and_without_focus() -> None:
    scores = torch.tensor([[[[math.log(3.0), 0.0]], [[0.0, 0.0]]]])  # one picture, two classes, map of 1x2
    want = (0.25 * -math.log(0.75) + 0.5 * math.log(2.0)) / 2
    assert map_focal_loss(scores, torch.tensor([0])).item() == pytest.approx(want)
    torch.testing.assert_close(
        map_focal_loss(scores, torch.tensor([1]), 0.0), map_cross_entropy(scores, torch.tensor([1]))
    )
    with pytest.raises(ValueError, match="1 score maps but 2 labels"):
        map_focal_loss(scores, torch.tensor([0, 1]))


def test_learned_weights_by_hand() -> None:
    weights = LearnedWeights(2, floor=0.5)
    with torch.no_grad():
        weights.scales.copy_(torch.tensor([1.0, 2.0]))
    total = weights(torch.tensor(3.0), torch.tensor(4.0))
    want = (0.5 + 0.5) * 3 + math.log(2.0) + (0.125 + 0.5) * 4 + math.log(5.0)
    assert total.item() == pytest.approx(want)
    total.backward()
    assert weights.scales.grad is not None
    assert weights.scales.grad.tolist() == pytest.approx([-1.0 * 3 + 2 / 2, -1 / 8 * 4 + 4 / 5])


@pytest.mark.parametrize(("rotation", "learned"), [(True, True), (True, False), (False, False)])
def test_losses_add_up(rotation: bool, learned: bool) -> None:
    torch.manual_seed(0)
    settings = TaskSettings(rotation=rotation, learned_weights=learned, floor=0.5, fixed_weight=2.0)
    tasks, episode = BaseTasks(6, 7, settings), made_up_episode()
    queries = 16 if rotation else 4
    outputs = PatchOutputs(torch.randn(2, queries, 3, 2, 3), tasks(torch.randn(2, queries, 6, 2, 3)))
    losses = tasks.patch_losses(outputs, episode.query_labels, base_class_ids(episode))
    base = losses["global"] + (losses["rotation"] if rotation else 0)
    want = 1.0 * base + 2 * math.log(2) if learned else 2.0 * base
    torch.testing.assert_close(losses["total"], want + 0.5 * losses["local"])
    assert ("rotation" in losses) == rotation
    ways = episode.query_labels.repeat_interleave(queries // 4, dim=1)
    torch.testing.assert_close(losses["local"], map_focal_loss(outputs.local_scores.flatten(0, 1), ways.flatten()))


def test_learned_weights_without_rotation_are_refused() -> None:
    with pytest.raises(ValueError, match="the rotation loss is off"):
        TaskSettings(rotation=False)
