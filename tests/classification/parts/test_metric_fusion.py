"""Three metrics and their fusion: numbers by hand, the relation network against pairs side by side."""

import math

import pytest
import torch
import torch.nn.functional as F

from sccan.classification.parts.metric_fusion import (
    PUBLISHED_MOMENTUM,
    AdaptiveMetrics,
    MetricScores,
    RelationNetwork,
    divergence,
)
from tests.attention.plain_pairs import pair_copies
from tests.classification.methods.plain_heads import relation_scores


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("training", [True, False])
def test_the_relation_network_sees_class_and_patch_side_by_side(training: bool) -> None:
    torch.manual_seed(0)
    network = RelationNetwork(4).train(training)
    classes, patches = _random(2, 3, 4), _random(2, 5, 6, 4, seed=1)
    copies = pair_copies(classes.unsqueeze(-1), patches.transpose(-1, -2))
    want = relation_scores(network, copies[0].squeeze(-1), copies[1]).view(2, 5, 3, 6)
    torch.testing.assert_close(network(classes.unsqueeze(1), patches.unsqueeze(2)), want, atol=1e-5, rtol=1e-4)


def test_running_statistics_are_averages_and_as_published_those_of_the_last_batch() -> None:
    for momentum in (None, PUBLISHED_MOMENTUM):
        torch.manual_seed(0)
        network = RelationNetwork(4).train() if momentum is None else RelationNetwork(4, momentum=momentum).train()
        rows = []
        for seed in range(2):
            classes, patches = _random(2, 1, 3, 4, seed=seed), _random(2, 5, 1, 6, 4, seed=seed + 2)
            network(classes, patches)
            pairs = torch.cat([classes.unsqueeze(3).expand(2, 5, 3, 6, 4), patches.expand(2, 5, 3, 6, 4)], dim=-1)
            rows.append(F.conv2d(pairs.reshape(-1, 8, 1, 1), network.first.weight, network.first.bias).mean((0, 2, 3)))
        want = rows[1] if momentum else 0.9 * 0.1 * rows[0] + 0.1 * rows[1]
        torch.testing.assert_close(network.first_norm.running_mean, want, atol=1e-5, rtol=0)


def test_cosine_and_euclidean_by_hand() -> None:
    for summed, channels in ((False, 2), (True, 1)):
        metrics = AdaptiveMetrics(2, scale=10.0, summed=summed)
        scores = metrics(torch.eye(2)[None, None], torch.tensor([[[[[0.6, 0.8], [0.0, 0.0]]]]]))
        torch.testing.assert_close(scores.cosine, torch.tensor([[[[6.0, 0.0], [8.0, 0.0]]]]))
        want = torch.tensor([[[[-8.0, -10.0], [-4.0, -10.0]]]]) / channels
        torch.testing.assert_close(scores.euclidean, want)


@pytest.mark.parametrize("adaptive", [True, False])
def test_predictions_are_weighted_logarithms(adaptive: bool) -> None:
    metrics = AdaptiveMetrics(2, adaptive=adaptive)
    weights = {"cosine": 0.5, "euclidean": -0.2, "relation": 0.1}
    with torch.no_grad():
        for name, value in weights.items():
            target = metrics.adaptive[name] if metrics.adaptive is not None else getattr(metrics, f"{name}_weight")
            target.fill_(value)
        raw = MetricScores(*(_random(2, 4, 3, 5, seed=seed) for seed in range(3)))
        want = 1.5 * raw.cosine.softmax(2).log()
        want = want + 0.8 * F.softmax(1 / (1 + (-raw.euclidean).exp()), 2).log()
        want = want + 1.1 * F.softmax(1 / (1 + (-raw.relation).exp()), 2).log()
        torch.testing.assert_close(metrics.fused(raw), want)


def test_weights_of_losses_become_those_of_predictions() -> None:
    metrics = AdaptiveMetrics(2, adaptive=False)
    torch.testing.assert_close(torch.cat(metrics.prediction_weights()), torch.full((3,), 1 / 3))
    with torch.no_grad():
        metrics.loss_weights.scales.copy_(torch.tensor([1.0, 2.0, 0.5]))
    metrics.keep_loss_weights()
    torch.testing.assert_close(torch.cat(metrics.prediction_weights()), torch.tensor([4.0, 1.0, 16.0]) / 21)
    assert not metrics.learns_fusion
    assert AdaptiveMetrics(2).learns_fusion
    assert not AdaptiveMetrics(2, trained=False).learns_fusion


def test_divergence_by_hand() -> None:
    student = torch.zeros(1, 1, 2, 1)
    teacher = torch.tensor([4 * math.log(3.0), 0.0]).view(1, 1, 2, 1)
    want = 16 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert divergence(student, teacher).item() == pytest.approx(want, rel=1e-5)
    both = torch.cat([student, teacher], dim=1)
    assert divergence(both, teacher.expand(1, 2, 2, 1)).item() == pytest.approx(want / 2, rel=1e-5)
