"""AMTNet: test scores, which losses there are, what learns, names and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.weights import load_strict
from sccan.classification.methods.amtnet import PUBLISHED_NAMES, AMTNet, Regularisation
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.errors import InputError
from tests.classification.made_up import made_up_episode, square_episode
from tests.classification.methods.contract import check_published_checkpoint
from tests.classification.methods.plain_heads import amtnet_outputs

PLAIN = TaskSettings(rotation=False, learned_weights=False)


def _small(**options: object) -> AMTNet:
    torch.manual_seed(0)
    return AMTNet(StridedResNet12(stem=4, widths=(4, 6, 8, 10)), n_base=7, **options)


@pytest.mark.parametrize("patch_vote", [True, False])
def test_scores_are_fused_predictions_and_votes_of_patches(patch_vote: bool) -> None:
    model, episode = _small(patch_vote=patch_vote).eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        got = model(episode)
        maps, labels = support.maps["layer4"][1], episode.support_labels[1]
        classes = torch.stack([maps[labels == way].mean((0, 2, 3)) for way in range(3)])
        image = query.maps["layer4"][1, 2]
        classes, vector = F.normalize(classes, dim=-1), F.normalize(image.mean((1, 2)), dim=0)
        network = model.metrics.relation
        relation = network(classes[None, None], vector[None, None, None, None])[0, 0, :, 0]
        euclidean = -7 * (classes - vector).square().mean(-1)
        want = (7 * classes @ vector).log_softmax(0) + euclidean.sigmoid().log_softmax(0)
        want = want + relation.sigmoid().log_softmax(0)
        if patch_vote:
            patches = 7 * classes @ F.normalize(image.flatten(1), dim=0)  # [N, m]
            want = want + patches.softmax(0).sum(1).log_softmax(0)
    torch.testing.assert_close(got[1, 2], want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("summed", [True, False])
def test_training_outputs_are_those_of_single_pairs(summed: bool) -> None:
    model, episode = _small(tasks=PLAIN, summed=summed).train(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        got = model.training_outputs(query, model.condition_episode(support, episode), episode)
        want = amtnet_outputs(model, support, query, episode, got.fused.shape[-2:])
    for one, other in zip((*got.scores, got.fused), (*want.scores, want.fused), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got.base.classes, want.base.classes, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_parameter_that_is_to_learn() -> None:
    for settings, episode in ((None, square_episode()), (PLAIN, made_up_episode())):
        for trained in (True, False):
            model = _small(tasks=settings, train_fusion=trained, regularisation=Regularisation()).train()
            outputs = model(episode)
            assert outputs.fused.shape[:3] == (2, 16 if settings is None else 4, 3)
            losses = model.loss(outputs, episode)
            losses["total"].backward()
            (group,) = model.parameter_groups().values()
            assert {id(p) for p in group} == {id(p) for p in model.parameters() if p.requires_grad}
            named = dict(model.named_parameters())
            still = {name for name, p in named.items() if not p.requires_grad}
            assert len(still) == (0 if trained else 3)
            assert ("fusion" in losses) == trained
            assert [n for n, p in named.items() if (p.grad is None) != (n in still)] == []
            zero = [n for n, p in named.items() if n not in still and float(p.grad.abs().max()) == 0]
            # Norms follow the first two, a softmax over the classes the last: only rounding reaches these.
            assert [n for n in zero if not n.endswith(("first.bias", "second.bias", "relation.last.bias"))] == []


def test_the_loss_of_the_fused_prediction_teaches_its_weights_alone() -> None:
    model, episode = _small(tasks=PLAIN).train(), made_up_episode()
    losses = model.loss(model(episode), episode)
    losses["fusion"].backward()
    learned = {n for n, p in model.named_parameters() if p.grad is not None}
    assert learned == {"metrics.adaptive.cosine", "metrics.adaptive.euclidean", "metrics.adaptive.relation"}


@pytest.mark.parametrize(
    ("shots", "tasks", "parts", "weight"),
    [
        (3, None, ["divergence_cosine", "divergence_euclidean", "divergence_relation"], 0.5),
        (3, PLAIN, ["divergence_cosine", "divergence_euclidean", "divergence_relation"], 0.5),
        (2, PLAIN, ["divergence_relation"], 0.1),
        (2, None, [], 0.1),
    ],
)
def test_divergences_depend_on_shots_and_rotation(
    shots: int, tasks: TaskSettings | None, parts: list[str], weight: float
) -> None:
    episode = made_up_episode(n_shot=shots, size=(24, 24))
    with_them = _small(tasks=tasks, regularisation=Regularisation()).train()
    without = _small(tasks=tasks).train()
    losses, plain = with_them.loss(with_them(episode), episode), without.loss(without(episode), episode)
    assert [name for name in losses if name.startswith("divergence")] == parts
    added = weight * sum(losses[name].item() for name in parts)
    assert (losses["total"] - plain["total"]).item() == pytest.approx(added, abs=1e-5)


def test_a_detached_teacher_does_not_learn() -> None:
    episode, gradients = made_up_episode(), []
    for detached in (False, True):
        model = _small(tasks=PLAIN, regularisation=Regularisation(detached=detached)).train()
        outputs = model(episode)
        (found,) = torch.autograd.grad(
            model.loss(outputs, episode)["divergence_relation"], outputs.scores.cosine, allow_unused=True
        )
        gradients.append(found)
    assert gradients[0] is not None
    assert gradients[1] is None


@pytest.mark.parametrize("trained", [True, False])
def test_a_published_checkpoint_loads_strictly_with_exchanged_names_and_lost_dimensions(
    trained: bool, tmp_path: Path
) -> None:
    def make() -> AMTNet:
        model = _small()
        with torch.no_grad():
            for number, weight in enumerate(model.metrics.adaptive.values()):
                weight.fill_(number + 1.0)
        return model

    def saved(state: dict[str, Tensor]) -> dict[str, Tensor]:
        weights = [f"similarity_res_func.{name}_weight" for name in ("cosin", "proto", "relation")]
        return state | {name: state[name].squeeze() for name in weights if trained}

    adaptive, published = make().metrics.adaptive, PUBLISHED_NAMES.published(make().state_dict())
    assert torch.equal(published["similarity_res_func.adaptive_relation_weight"], adaptive["cosine"])
    assert torch.equal(published["similarity_res_func.adaptive_cosin_weight"], adaptive["relation"])
    missing = ("similarity_res_func.adaptive_cosin_weight", r"metrics\.adaptive\.relation")
    check_published_checkpoint(make, PUBLISHED_NAMES, set(), missing, tmp_path, saved=saved, excused=(LEARNED_WEIGHTS,))
    state = PUBLISHED_NAMES.ours(saved(published))
    with pytest.raises(InputError, match=r"3 surplus: metrics\.adaptive"):
        load_strict(_small(adaptive=False), state, source="file", excused=(LEARNED_WEIGHTS,))


@pytest.mark.parametrize("averaged", [True, False])
def test_a_teacher_adds_its_divergences_and_stays_as_it_is(averaged: bool) -> None:
    episode = square_episode()
    torch.manual_seed(3)
    teacher = AMTNet(StridedResNet12(stem=4, widths=(4, 6, 8, 12)), n_base=7)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    model, plain = _small().train(), _small().train()
    model.teach(teacher, averaged=averaged)
    assert set(model.state_dict()) == set(plain.state_dict())
    outputs = model(episode)
    losses, without = model.loss(outputs, episode), plain.loss(plain(episode), episode)
    wanted = outputs.teacher
    assert wanted is not None
    pairs = [
        (outputs.base.classes, wanted.base.classes),
        (outputs.scores.cosine, wanted.fused),
        (outputs.scores.euclidean, wanted.fused),
        (outputs.scores.relation, wanted.fused),
        (outputs.base.rotations, wanted.base.rotations),
    ]
    want = torch.zeros(())
    for own, theirs in pairs:
        if averaged:
            own, theirs = own.mean((3, 4)), theirs.mean((3, 4))
        rows = own.numel() / own.shape[2]
        own, theirs = (own / 4).log_softmax(2), (theirs / 4).softmax(2)
        want = want + 16 * F.kl_div(own, theirs, reduction="sum") / rows
    torch.testing.assert_close(losses["distillation"], want, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses["total"], without["total"] + 0.5 * want, atol=1e-4, rtol=1e-4)
    losses["total"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    model.double()
    assert teacher.tasks.classifier.weight.dtype == torch.float64


def test_a_teacher_of_other_base_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="the teacher knows 9 base classes, rotations: True; the student 7"):
        _small().teach(AMTNet(StridedResNet12(stem=4, widths=(4, 6, 8, 10)), n_base=9), averaged=False)


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    backbone = StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2))
    model = AMTNet(backbone, adaptive=False, tasks=TaskSettings(learned_weights=False))
    buffers = 3  # weights of the predictions: parameters of the published network
    losses = 3  # weights of the losses: not part of it
    assert sum(p.numel() for p in model.parameters()) - losses + buffers == 13_737_864
