"""TasNet: the head in the paper's steps, states, transduction, gradients, names and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.weights import load_weights
from sccan.classification.methods import tasnet
from sccan.classification.methods.tasnet import PUBLISHED_NAMES, TasNet, concatenated, fused
from sccan.classification.words.learner import FitSettings, WordLearner
from sccan.episodes.episode import Features
from sccan.errors import InputError
from tests.classification.made_up import made_up_episode


def _small(combine: tasnet.Combination = fused, **settings: object) -> TasNet:
    """A model of features of 12 and words of 5 numbers that knows seven classes."""
    torch.manual_seed(0)
    model = TasNet(
        PooledResNet12(widths=(4, 6, 8, 12)),
        word_size=5,
        combine=combine,
        fit=FitSettings(steps=10),
        **{"visual_share": 0.3, **settings},
    )
    model.know(torch.randn(7, 5, dtype=torch.float64))
    return model


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("combine", [fused, concatenated])
def test_scores_are_those_of_the_papers_steps(combine: tasnet.Combination, cosine: bool) -> None:
    model, episode = _small(combine, cosine=cosine).eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        words = model.class_words[episode.classes - 1]
        state = model.condition(support, episode.support_labels, words=words)
        got = model(episode)
        assert got.shape == (2, 4, 3)
        for n in range(2):
            x_s, x_q = (part.maps["layer4"][n].flatten(1) for part in (support, query))
            learned = F.linear(x_q, state.learner.weight[n], state.learner.bias[n])
            for q in range(4):
                for c in range(3):
                    mean = model.visual(x_s[episode.support_labels[n] == c]).mean(0)
                    pair = [(mean, words[n, c]), (model.visual(x_q[q]), learned[q])]
                    if combine is fused:
                        one, other = (0.3 * v + 0.7 * w for v, w in pair)
                    else:
                        one, other = (torch.cat(both) / torch.cat(both).norm() for both in pair)
                    want = F.cosine_similarity(one, other, dim=0) if cosine else -(one - other).square().sum()
                    torch.testing.assert_close(got[n, q, c], want, atol=1e-4, rtol=1e-4)


def test_episodes_are_independent_of_each_other_and_a_start_can_be_carried_over() -> None:
    model, episode = _small().eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        words = model.class_words[episode.classes - 1]
        whole = model.predict(query, model.condition(support, episode.support_labels, words=words))
        second, rest = (Features({"layer4": p.maps["layer4"][1:]}, (20, 40)) for p in (support, query))
        labels = episode.support_labels[1:]
        torch.testing.assert_close(model.predict(rest, model.condition(second, labels, words=words[1:])), whole[1:])
        stored = WordLearner(model.word_weight[None], model.word_bias[None])
        again = model.condition(second, labels, words=words[1:], start=stored)
        torch.testing.assert_close(model.predict(rest, again), whole[1:])
        further = model.condition(second, labels, words=words[1:], start=again.learner)
    assert float(further.losses[-1]) < float(again.losses[-1])


def test_ways_are_the_first_known_classes_where_nobody_says_otherwise() -> None:
    model, episode = _small().eval(), made_up_episode(n_batch=1)
    with torch.no_grad():
        support, _ = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
    assert torch.equal(state.words[0], model.class_words[:3])


def test_transduction_moves_class_means_and_sends_no_gradient_through_them() -> None:
    episode = made_up_episode(n_query=9)
    plain, drawn = _small().eval(), _small(transductive=True).eval()
    assert not torch.allclose(plain(episode), drawn(episode))
    support, query = drawn.encode_episode(episode)
    state = drawn.condition(support, episode.support_labels)
    state.prototypes.retain_grad()
    drawn.predict(query, state).square().sum().backward()
    assert state.prototypes.grad is None
    assert drawn.visual.weight.grad is not None


def test_only_the_visual_layer_learns_and_unit_features_are_for_training() -> None:
    model, episode = _small(concatenated, unit_in_training=True), made_up_episode()
    assert not model.train().backbone.training
    model.loss(model(episode), episode)["total"].backward()
    (group,) = model.parameter_groups().values()
    assert {id(p) for p in group} == {id(p) for p in model.parameters() if p.requires_grad}
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in group)
    features = Features({"layer4": torch.full((1, 1, 4, 1, 1), 3.0)}, (20, 40))
    assert model.vectors(features).flatten().tolist() == [0.5] * 4
    assert model.eval().vectors(features).flatten().tolist() == [3.0] * 4


def test_a_published_checkpoint_of_head_and_encoder_loads_strictly(tmp_path: Path) -> None:
    source, target = _small(), _small()
    torch.nn.init.zeros_(target.visual.weight)
    published = PUBLISHED_NAMES.published(source.state_dict())
    assert {"word_learner.fc1_w", "feat_learner.bias"} <= set(published)
    doubled = {"word_learner.vars.0": source.word_weight, "word_learner.vars.1": source.word_bias}
    for prefix in ("encoder.", "encoder.module."):
        names = {n.replace("encoder.module.", prefix): v for n, v in published.items()}
        torch.save({"params": names | doubled}, tmp_path / "max_acc.pth")
        load_weights(target, tmp_path / "max_acc.pth", names=PUBLISHED_NAMES, excused=("*num_batches_tracked",))
        assert torch.equal(target.visual.weight, source.visual.weight)


def test_the_published_carry_over_starts_each_episode_where_the_last_one_ended() -> None:
    fresh, carried, episode = _small().eval(), _small(carry_over=True).eval(), made_up_episode()
    with torch.no_grad():
        support, query = fresh.encode_episode(episode)
        words, start = fresh.class_words[episode.classes - 1], None
        for number in range(2):
            one = slice(number, number + 1)
            maps, asked = (Features({"layer4": part.maps["layer4"][one]}, (20, 40)) for part in (support, query))
            state = fresh.condition(maps, episode.support_labels[one], words=words[one], start=start)
            want, start = fresh.predict(asked, state), state.learner
        got = carried(episode)
    torch.testing.assert_close(got[1:], want)
    torch.testing.assert_close(carried.word_weight, start.weight[0])
    assert not torch.allclose(fresh(episode)[1:], want)
    torch.testing.assert_close(fresh(episode)[:1], got[:1])
    again = carried.train()(episode)
    assert not torch.allclose(again, got)
    carried.loss(again, episode)["total"].backward()
    assert carried.visual.weight.grad is not None


def test_scales_of_cosines_and_of_words() -> None:
    episode, plain = made_up_episode(), _small(concatenated, cosine=True).eval()
    torch.testing.assert_close(_small(concatenated, cosine=True, scale=7.0).eval()(episode), 7 * plain(episode))
    torch.testing.assert_close(_small(word_scale=0.01).class_words, 0.01 * plain.class_words)
    features = Features({"layer4": torch.full((1, 1, 4, 1, 1), 3.0)}, (20, 40))
    assert _small(unit_in_evaluation=True).eval().vectors(features).flatten().tolist() == [0.5] * 4


def test_words_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="word vectors have 4 numbers, but the weights are for 5"):
        _small().know(torch.zeros(3, 4))
