"""Guided density: the contract, what it reads off its examples, and examples that show next to nothing."""

import pytest
import torch

from sccan.errors import InputError
from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.methods import guided_density
from sccan.segmentation.methods.guided_density import PICTURE, GuidedDensity
from tests.segmentation.methods.episodes import one_query
from tests.segmentation.methods.scenes import scenes, toy_encoder


def _method(**settings: object) -> GuidedDensity:
    return GuidedDensity(toy_encoder(), **{"stages": (TOKENS,), "sigma": 0.1, **settings}).eval()  # type: ignore[arg-type]


def _iou(prediction: torch.Tensor, labels: torch.Tensor) -> float:
    found, known = prediction.argmax(-3) == 1, labels != 255
    return float((found & (labels == 1)).sum() / ((found | (labels == 1)) & known).sum())


def test_conditioning_once_and_predicting_many_is_the_full_forward() -> None:
    method, episode = _method(), scenes()
    whole = method(episode)
    assert whole.shape == (2, 2, 2, 128, 160)
    assert whole[:, :, 0].abs().max() == 0
    support, query = method.encode_episode(episode)
    assert list(query.maps) == [TOKENS, PICTURE]
    assert query.maps[PICTURE].shape == (2, 2, 3, 64, 80)
    assert torch.equal(method.predict(query, method.condition(support, episode.support_labels)), whole)
    for b in range(2):
        for q in range(2):
            torch.testing.assert_close(method(one_query(episode, b, q))[0, 0], whole[b, q], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shots", [1, 3])
def test_it_finds_the_object_of_the_examples(shots: int) -> None:
    episode = scenes(shots=shots, seeds=(0, 1, 2))
    assert _iou(_method(rank=5)(episode), episode.query_labels) > 0.5


def test_without_a_second_example_windows_follow_the_objects_thickness() -> None:
    method, episode = _method(), scenes(shots=1)
    support, _ = method.encode_episode(episode)
    labels = torch.zeros_like(episode.support_labels)
    labels[0, 0, 20:24, 20:60] = 1
    labels[1, 0, 20:120, 20:140] = 1
    thin, thick = method.condition(support, labels)
    assert (thin.radius, thick.radius) == (1, 4)
    assert thin.cut == thick.cut == 0


def test_examples_left_out_tell_where_to_cut() -> None:
    method, episode = _method(), scenes(shots=3, seeds=(0,))
    support, _ = method.encode_episode(episode)
    pictures, grid = support.maps[PICTURE][0], (8, 10)
    labels = episode.support_labels[0].clone()
    labels[labels == 255] = 0
    ratios = torch.nn.functional.avg_pool2d(labels[:, None].float(), 16).flatten(1) * 8 - 1
    assert method._best(ratios, grid, pictures, labels)[1] > 0, "what lies around the objects exceeds 0"
    assert method._best(ratios - 6, grid, pictures, labels)[1] < 0, "of the objects only the inside does"


def test_shots_that_show_nothing_and_pictures_that_show_nothing_else() -> None:
    method, episode = _method(), scenes(shots=2, seeds=(0,))
    support, query = method.encode_episode(episode)
    for value, sign in ((0, -1), (1, 1)):
        labels = torch.full_like(episode.support_labels, value)
        prediction = method.predict(query, method.condition(support, labels))
        assert (sign * prediction[:, :, 1] > 0).all()
    one = episode.support_labels.clone()
    one[:, 1] = 0  # a picture without the object is background
    assert method.condition(support, one)[0].cut == 0


def test_many_anchors_are_thinned_and_the_odds_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    method, episode = _method(), scenes(shots=3, seeds=(0,))
    support, _ = method.encode_episode(episode)
    whole = method.condition(support, episode.support_labels)[0].anchors
    monkeypatch.setattr(guided_density, "MOST_ANCHORS", 20)
    thinned = method.condition(support, episode.support_labels)[0].anchors
    assert len(thinned.background) == 20 < len(whole.background)
    assert thinned.log_odds == whole.log_odds
    assert torch.isin(thinned.background, whole.background).all()


def test_there_is_nothing_to_train_and_numbers_are_positive() -> None:
    assert _method().parameter_groups() == {}
    with pytest.raises(InputError, match="expected at least one radius from 0, and numbers above 0"):
        _method(radii=())
    with pytest.raises(InputError, match="sigma 0"):
        _method(sigma=0)
