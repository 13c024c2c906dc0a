"""FROST: the contract, the plain arithmetic beside it, views, odds, tiny and missing objects, and the refusals."""

import dataclasses
import math

import pytest
import torch

from sccan.errors import InputError
from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.methods.frost import COLOURS, FLIPPED, FROST
from sccan.segmentation.parts.views import map_name
from tests.segmentation.methods.episodes import one_query
from tests.segmentation.methods.plain_training_free import conditioned_frost, queried_frost
from tests.segmentation.methods.scenes import plain_inputs, scenes, toy_encoder

RANK = 5


def _method(**settings: object) -> FROST:
    return FROST(toy_encoder(), **{"stages": (TOKENS,), "rank": RANK, **settings}).eval()  # type: ignore[arg-type]


def test_conditioning_once_and_predicting_many_is_the_full_forward() -> None:
    method, episode = _method(), scenes()
    whole = method(episode)
    assert whole.shape == (2, 2, 2, 128, 160)
    assert whole[:, :, 0].abs().max() == 0
    support, query = method.encode_episode(episode)
    assert support.deepest == query.deepest, "what a class looks like is read off the picture itself"
    assert list(support.maps) == [TOKENS, COLOURS, map_name(FLIPPED, TOKENS)]
    assert list(query.maps) == [TOKENS, COLOURS]
    assert torch.equal(method.predict(query, method.condition(support, episode.support_labels)), whole)
    for b in range(2):
        for q in range(2):
            torch.testing.assert_close(method(one_query(episode, b, q))[0, 0], whole[b, q], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("radius", "rank"), [(16.0, 5), (2.5, 0)])
@pytest.mark.parametrize("shots", [1, 3])
def test_the_plain_arithmetic_gives_the_same(shots: int, radius: float, rank: int) -> None:
    method, episode = _method(radius=radius, rank=rank), scenes(shots=shots, seeds=(3, 4))
    support, query = method.encode_episode(episode)
    state = method.condition(support, episode.support_labels)
    found, prediction = method.ratios(query, state), method.predict(query, state).argmax(2)
    for b in range(2):
        for q in range(2):
            plain = plain_inputs(toy_encoder(), episode, b, q, rank)
            views, masks = plain.references + plain.flipped, plain.masks + plain.flipped_masks
            known = conditioned_frost(views, masks, plain.basis)
            want = queried_frost(plain.query, plain.colours, plain.basis, known, radius)
            one = found[b][q]
            assert torch.equal(one.candidates, want.candidates)
            assert torch.equal(one.dilated, want.dilated)
            torch.testing.assert_close(one.log_ratio, want.log_ratio, rtol=0, atol=1e-4)
            torch.testing.assert_close(one.smoothed, want.smoothed, rtol=0, atol=1e-4)
            assert state[b].bandwidth.sigma == known.bandwidth
            assert state[b].bandwidth.margin == pytest.approx(known.margin, abs=1e-4)
            maps = torch.stack([want.smoothed, want.dilated.float()]).view(1, 2, 8, 10)
            ratio, near = torch.nn.functional.interpolate(maps, size=(128, 160), mode="bilinear")[0]
            assert torch.equal(prediction[b, q].bool(), (ratio > 0) & (near > 0.5))


def test_an_object_is_found_and_without_examples_of_it_nothing_is() -> None:
    method, episode = _method(), scenes(256, 256, seeds=(0,))
    found = method(episode).argmax(2)
    assert (found & episode.query_labels).sum() / (found | episode.query_labels).sum() > 0.4
    empty = dataclasses.replace(episode, support_labels=torch.zeros_like(episode.support_labels))
    assert method(empty)[:, :, 1].max() < -5
    full = dataclasses.replace(episode, support_labels=torch.ones_like(episode.support_labels))
    assert torch.isfinite(method(full)).all()
    assert method(full).argmax(2).any()


def test_flipped_views_are_asked_for_by_a_setting() -> None:
    episode = scenes(seeds=(1,), shots=2)
    once, twice = _method(flip=False), _method()
    support, _ = once.encode_episode(episode)
    assert list(support.maps) == [TOKENS, COLOURS]
    states = [own.condition(own.encode_episode(episode)[0], episode.support_labels) for own in (once, twice)]
    assert [len(state[0].anchors) for state in states] == [2, 4]
    assert not torch.allclose(once(episode), twice(episode))


def test_the_odds_of_the_examples_are_added_with_their_weight() -> None:
    episode = scenes(seeds=(1,))
    plain, weighted = _method(steps=0), _method(steps=0, odds_weight=0.5)
    support, query = plain.encode_episode(episode)
    state = plain.condition(support, episode.support_labels)
    odds = math.log(sum(state[0].foreground) / sum(state[0].background))
    assert odds < 0
    ratios = [own.ratios(query, state)[0][0].log_ratio for own in (plain, weighted)]
    torch.testing.assert_close(ratios[1], ratios[0] + 0.5 * odds)


def test_one_cell_of_an_object_cannot_be_voted_for() -> None:
    """Two of the three nearest cells must be foreground, as recorded for a tiny object."""
    episode = scenes(seeds=(0,), shots=2)
    labels = torch.zeros_like(episode.support_labels)
    labels[..., 60:64, 80:84] = 1
    method = _method()
    support, query = method.encode_episode(episode)
    state = method.condition(support, labels)
    assert state[0].foreground == (1, 1, 1, 1)
    assert not method.ratios(query, state)[0][0].candidates.any()
    assert method.predict(query, state).argmax(2).sum() == 0


def test_what_is_ignored_is_no_anchor() -> None:
    episode, method = scenes(seeds=(0,), shots=1), _method()
    labels = episode.support_labels.clone()
    labels[..., :64, :] = 255  # four of eight rows of cells
    support, query = method.encode_episode(episode)
    state = method.condition(support, labels)[0]
    whole = method.condition(support, episode.support_labels)[0]
    assert sum(whole.foreground) + sum(whole.background) == 2 * 80
    assert sum(state.foreground) + sum(state.background) == 2 * 40
    assert torch.isfinite(method.predict(query, (state,))).all()


def test_there_is_nothing_to_train() -> None:
    method, episode = _method(), scenes()
    assert method.parameter_groups() == {}
    with pytest.raises(ValueError, match="FROST has nothing to train"):
        method.loss(method(episode), episode)


@pytest.mark.parametrize("settings", [{"bandwidths": ()}, {"bandwidths": (0.1, 0.0)}, {"radius": 0.0}, {"steps": -1}])
def test_settings_without_a_meaning_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected at least one bandwidth and a radius above 0"):
        _method(**settings)
