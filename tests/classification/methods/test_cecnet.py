"""CECNet: scores of pairs, fine-tuning, gradients, names and refusals."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from sccan.attention.element_connection import CLUSTERS, one_to_many
from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.methods.cecnet import PUBLISHED_NAMES, CECNet
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.classification.parts.novel_task import FineTuning
from tests.classification.made_up import made_up_episode, square_episode
from tests.classification.methods.contract import check_published_checkpoint
from tests.classification.methods.plain_heads import cecnet_pairs, pair_scores, training_outputs

PLAIN = TaskSettings(rotation=False, learned_weights=False)


def _small(cluster: str = "transformer", distance: str | None = "cosine", **options: object) -> CECNet:
    torch.manual_seed(0)
    return CECNet(
        StridedResNet12(stem=4, widths=(4, 6, 8, 12)),
        cluster=CLUSTERS[cluster],
        distance=CLUSTERS[distance] if distance else None,
        n_base=7,
        **options,
    )


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("distance", [None, "cosine", "gcn"])
def test_scores_are_those_of_single_pairs(cluster: str, distance: str | None) -> None:
    model, episode = _small(cluster, distance).eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        got = model(episode)
        assert got.shape == (2, 4, 3)
        want = pair_scores(model, cecnet_pairs(model, support, query, episode), episode)
    torch.testing.assert_close(got, want, atol=2e-4, rtol=0)


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("distance", [None, "cosine", "transformer"])
def test_training_outputs_are_those_of_single_pairs(cluster: str, distance: str | None) -> None:
    model, episode = _small(cluster, distance, tasks=PLAIN).train(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        got = model.training_outputs(query, model.condition_episode(support, episode), episode)
        size = got.local_scores.shape[-2:]
        want = training_outputs(model, cecnet_pairs(model, support, query, episode), episode, size)
    torch.testing.assert_close(got.local_scores, want.local_scores, atol=2e-4, rtol=0)
    torch.testing.assert_close(got.base.classes, want.base.classes, atol=1e-5, rtol=1e-5)


def test_many_queries_are_scored_in_parts() -> None:
    model, episode = _small(pairing=one_to_many).eval(), made_up_episode(n_query=19)
    with torch.no_grad():
        whole = model(episode)
        last = replace(episode, query_images=episode.query_images[:, 15:], query_labels=episode.query_labels[:, 15:])
        torch.testing.assert_close(whole[:, 15:], model(last), atol=1e-5, rtol=0)


def test_fine_tuning_adds_probabilities_of_self_connected_maps() -> None:
    episode = made_up_episode()
    with torch.no_grad():
        tuned = _small(fine_tuning=FineTuning(steps=5, rate=0.5)).eval()(episode)
        added = tuned - _small().eval()(episode)
    torch.testing.assert_close(added.sum(-1), torch.ones(2, 4), atol=1e-5, rtol=0)
    assert float(added.min()) > 0


@pytest.mark.parametrize(("cluster", "distance"), [("transformer", "gcn"), ("gcn", "transformer")])
def test_gradients_reach_every_parameter(cluster: str, distance: str) -> None:
    for settings, episode in ((None, square_episode()), (PLAIN, made_up_episode())):
        model = _small(cluster, distance, tasks=settings).train()
        outputs = model(episode)
        assert outputs.local_scores.shape[:3] == (2, 16 if settings is None else 4, 3)
        model.loss(outputs, episode)["total"].backward()
        (group,) = model.parameter_groups().values()
        assert {id(p) for p in group} == {id(p) for p in model.parameters()}
        assert [n for n, p in model.named_parameters() if p.grad is None] == []
        zero = [n for n, p in model.named_parameters() if float(p.grad.abs().max()) == 0]
        assert [n for n in zero if not n.endswith(("key.bias", "expand.bias"))] == []  # these a softmax or norm hides


def test_a_published_checkpoint_loads_strictly(tmp_path: Path) -> None:
    some = {
        "cross_attention.gnn.layers.0.transformer_layer.attn.proj.2.bias",
        "cross_attention.gnn.layers.0.transformer_layer.mlp.1.running_var",
        "similarity_res_func.distance_func.layers.0.gcn_weight.weight",
    }
    lost = ("cross_attention.gnn.layers.0.transformer_layer.mlp.3.bias", r"connection\.cluster\.reduce\.bias")
    make = partial(_small, "transformer", "gcn")
    check_published_checkpoint(make, PUBLISHED_NAMES, some, lost, tmp_path, excused=(LEARNED_WEIGHTS,))


@pytest.mark.parametrize(
    ("cluster", "parameters"), [("transformer", 16_607_620), ("gcn", 12_914_820), ("cosine", 12_504_580)]
)
def test_the_published_networks_have_the_published_numbers_of_parameters(cluster: str, parameters: int) -> None:
    model = CECNet(
        StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2)),
        cluster=CLUSTERS[cluster],
        distance=CLUSTERS["cosine"],
        tasks=TaskSettings(learned_weights=False),
    )
    assert sum(p.numel() for p in model.parameters()) == parameters
