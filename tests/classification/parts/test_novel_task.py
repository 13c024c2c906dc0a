"""Fine-tuning on a support set against torch's own descent, and what the classifier says."""

import math

import torch

from sccan.classification.parts.losses import map_focal_loss
from sccan.classification.parts.novel_task import (
    FineTuning,
    attended_by_class,
    fine_tuned,
    novel_probabilities,
    prototype_weights,
)


def test_fine_tuning_is_that_of_torch_episode_by_episode() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 6, 5, 4, generator=generator)  # B 2, S 6, C 5, m 4
    labels = torch.tensor([[0, 1, 2, 2, 1, 0], [1, 1, 2, 0, 2, 0]])
    settings = FineTuning(steps=7, rate=0.5)
    start = prototype_weights(maps, labels, 3)
    got = fine_tuned(start, maps, labels, settings)
    for number in range(2):
        weights = start[number].clone().requires_grad_()
        optimizer = torch.optim.SGD([weights], lr=0.5, momentum=0.9, dampening=0.9, weight_decay=0.001)
        for _ in range(7):
            optimizer.zero_grad()
            scores = torch.einsum("kc,scm->skm", weights, maps[number]).unsqueeze(-1)
            map_focal_loss(scores, labels[number]).backward()
            optimizer.step()
        torch.testing.assert_close(got[number], weights.detach(), atol=1e-6, rtol=1e-5)
    assert float((got - start).abs().max()) > 0.01


def test_prototypes_are_class_means_of_length_one() -> None:
    maps = torch.tensor([[[[1.0, 3.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 0.0]], [[4.0, 4.0], [6.0, 6.0]]]])
    weights = prototype_weights(maps, torch.tensor([[1, 0, 1]]), 2)
    torch.testing.assert_close(weights, torch.tensor([[[0.0, 1.0], [0.5**0.5, 0.5**0.5]]]))


def test_probabilities_are_means_over_positions_and_the_likeliest_class_attends() -> None:
    weights = torch.tensor([[[math.log(3.0), 0.0], [0.0, 2.0]]])  # N 2, C 2
    maps = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])  # m 2
    probabilities = novel_probabilities(weights, maps)
    torch.testing.assert_close(probabilities, torch.tensor([[[0.625, 0.375]]]))
    torch.testing.assert_close(
        attended_by_class(weights, maps, probabilities), maps * torch.tensor([2.0, 1.0])[:, None], atol=1e-4, rtol=0
    )
