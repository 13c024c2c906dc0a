"""SpatialFormer: batches, novel-task attention, gradients, names and refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.classification.methods.spatialformer import PUBLISHED_NAMES, NovelTask, SpatialFormer
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.classification.parts.novel_task import FineTuning
from sccan.episodes.episode import Episode, Features
from sccan.errors import InputError
from tests.classification.made_up import made_up_episode, square_episode
from tests.classification.methods.contract import check_published_checkpoint
from tests.classification.methods.plain_heads import pair_scores, spatialformer_pairs, training_outputs

PLAIN = TaskSettings(rotation=False, learned_weights=False)
NOVEL = NovelTask(FineTuning(steps=5, rate=0.5))


def _small(novel_task: NovelTask | None = None, tasks: TaskSettings | None = None) -> SpatialFormer:
    torch.manual_seed(0)
    model = SpatialFormer(StridedResNet12(stem=4, widths=(4, 6, 8, 10)), n_base=7, novel_task=novel_task, tasks=tasks)
    with torch.no_grad():
        for unit in (model.semantic, model.target):
            for layer in (unit.query, unit.key, unit.value):
                layer.weight.add_(0.3 * torch.randn(layer.weight.shape))
    return model


def _one(episode: Episode, number: int) -> Episode:
    names = ("support_images", "support_labels", "query_images", "query_labels", "classes", "numbers")
    return replace(episode, **{name: getattr(episode, name)[number : number + 1] for name in names})


@pytest.mark.parametrize("novel_task", [None, NOVEL])
def test_a_batch_is_its_episodes_and_a_state_serves_any_queries(novel_task: NovelTask | None) -> None:
    model, episode = _small(novel_task).eval(), made_up_episode()
    with torch.no_grad():
        whole = model(episode)
        assert whole.shape == (2, 4, 3)
        torch.testing.assert_close(model(_one(episode, 1)), whole[1:], atol=1e-5, rtol=0)
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        part = Features({name: value[:, 1:3] for name, value in query.maps.items()}, query.image_size)
        torch.testing.assert_close(model.predict(part, state), whole[:, 1:3], atol=1e-5, rtol=0)


def test_scores_and_training_outputs_are_those_of_single_pairs() -> None:
    model, episode = _small(tasks=PLAIN).eval(), made_up_episode()  # not in training, where it drops some values
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        pairs = spatialformer_pairs(model, support, query, episode)
        torch.testing.assert_close(model(episode), pair_scores(model, pairs, episode), atol=1e-5, rtol=0)
        got = model.training_outputs(query, model.condition_episode(support, episode), episode)
        want = training_outputs(model, pairs, episode, got.local_scores.shape[-2:])
    torch.testing.assert_close(got.local_scores, want.local_scores, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.base.classes, want.base.classes, atol=1e-5, rtol=1e-5)


def test_many_queries_are_scored_in_parts() -> None:
    model, episode = _small().eval(), made_up_episode(n_query=19)
    with torch.no_grad():
        whole = model(episode)
        last = replace(episode, query_images=episode.query_images[:, 15:], query_labels=episode.query_labels[:, 15:])
        torch.testing.assert_close(whole[:, 15:], model(last), atol=1e-5, rtol=0)


def test_novel_task_attention_does_not_depend_on_the_order_of_supports_unless_as_published() -> None:
    episode = made_up_episode(n_shot=1)
    order = torch.tensor([2, 0, 1])
    turned = replace(
        episode,
        support_images=episode.support_images[:, order],
        support_labels=episode.support_labels[:, order],
    )
    in_order = episode.support_labels.argsort(1)
    batch = torch.arange(2)[:, None]
    ordered = replace(
        episode,
        support_images=episode.support_images[batch, in_order],
        support_labels=episode.support_labels[batch, in_order],
    )
    published = replace(NOVEL, supports_for_prototypes=True)
    with torch.no_grad():
        ours = _small(NOVEL).eval()
        torch.testing.assert_close(ours(turned), ours(episode), atol=1e-5, rtol=0)
        theirs = _small(published).eval()
        torch.testing.assert_close(theirs(ordered), ours(episode), atol=1e-5, rtol=0)
        assert float((theirs(turned) - ours(episode)).abs().max()) > 0.01
        with pytest.raises(InputError, match="6 supports cannot stand for 3 class maps"):
            theirs(made_up_episode(n_shot=2))


def test_the_decision_adds_probabilities_to_scores() -> None:
    episode = made_up_episode()
    with torch.no_grad():
        both = _small(NOVEL).eval()(episode)
        metric = _small(replace(NOVEL, add_probabilities=False)).eval()(episode)
    torch.testing.assert_close((both - metric).sum(-1), torch.ones(2, 4))
    assert float((both - metric).min()) > 0


def test_gradients_reach_every_parameter_and_the_classifier_gets_none_through_attention() -> None:
    for settings, episode in ((None, square_episode()), (PLAIN, made_up_episode())):
        model = _small(NOVEL, tasks=settings).train()
        outputs = model(episode)
        model.loss(outputs, episode)["total"].backward()
        (group,) = model.parameter_groups().values()
        assert {id(p) for p in group} == {id(p) for p in model.parameters()}
        assert [n for n, p in model.named_parameters() if p.grad is None] == []
        zero = {n for n, p in model.named_parameters() if float(p.grad.abs().max()) == 0}
        assert zero <= {"semantic.key.bias", "target.key.bias"}  # equal for all answers: a softmax does not see it
        model.zero_grad()
        model(episode).local_scores.square().sum().backward()
        assert model.tasks.classifier.weight.grad is None


def test_a_published_checkpoint_loads_strictly_with_its_doubled_classifier(tmp_path: Path) -> None:
    some = {"cross_attention.gnn.tsca.attention.proj.2.bias", "tsca.FFN.norm3.weight", "tsca.FFN.linear1.bias"}
    missing = ("tsca.FFN.norm3.bias", r"target\.feed_forward\.norm\.bias")

    def saved(state: dict[str, Tensor]) -> dict[str, Tensor]:
        twice = {
            f"attention_clasifier.{name}": state[f"similarity_res_func.clasifier.{name}"] for name in ("weight", "bias")
        }
        return state | twice

    check_published_checkpoint(
        _small, PUBLISHED_NAMES, some, missing, tmp_path, saved=saved, excused=(LEARNED_WEIGHTS,)
    )


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    backbone = PooledResNet12(round_up=False, drop_rate=0.0)
    model = SpatialFormer(backbone, tasks=TaskSettings(learned_weights=False))
    assert sum(p.numel() for p in model.parameters()) == 19_033_028
