"""The generalised test's threshold: groups of base classes that play novel, what is forgotten, and the choice."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.data.sampling.generalised_plan import GeneralisedPlan
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation.generalised import GeneralisedScore, generalised_scores, merge_base, merge_final
from sccan.segmentation.evaluation.scoring import WholeOnLabel
from sccan.segmentation.evaluation.tau import GRID, ThresholdScore, best_tau, forgetting, pretended_folds
from tests.segmentation.evaluation.test_generalised import FOLD, _index
from tests.segmentation.methods.episodes import BASE, made_up_episode
from tests.segmentation.methods.test_bam import _model


@given(st.integers(1, 6), st.integers(2, 20), st.integers(1, 3))
def test_groups_part_the_base_classes_that_have_enough_pictures(n_novel: int, n_base: int, n_shot: int) -> None:
    fold = Fold(1, tuple(range(n_novel + 1, n_novel + n_base + 1)), tuple(range(1, n_novel + 1)))
    counts = np.random.default_rng(n_base).integers(0, 6, n_novel + n_base + 1)
    folds = pretended_folds(fold, counts, n_shot)
    played = [number for own in folds for number in own.novel]
    assert sorted(played) == [number for number in fold.base if counts[number] > n_shot]
    for own in folds:
        assert sorted(own.base + own.novel) == list(fold.base)
        assert own.base == tuple(sorted(own.base))
        assert len(own.base) > 0


def test_a_forgotten_class_leaves_the_other_logits_as_they_were() -> None:
    model, episode = _model().eval(), made_up_episode()
    changed = forgetting(model, (BASE[0], BASE[2]))
    query = model.encode_episode(episode)[1]
    torch.testing.assert_close(changed.base_logits(query), model.base_logits(query)[:, :, [0, 1, 3]])
    assert changed.base_classes.tolist() == [BASE[0], BASE[2]]
    assert model.base_classes.tolist() == list(BASE)
    assert changed(episode).shape == model(episode).shape


@pytest.mark.parametrize("merge", [merge_final, merge_base])
def test_every_threshold_is_scored_as_the_test_itself_would(merge) -> None:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(0)
    outputs = torch.rand(2, 1, 4 + 4, 5, 7, generator=generator) * 3
    outputs[:, :, 4] += 1  # background for many pixels
    labels = torch.randint(0, 6, (2, 5, 7), generator=generator).numpy().astype(np.uint8)
    pictures = {n: Picture(n, "p", torch.zeros(3, 5, 7), labels[n], labels[n], (5, 7)) for n in range(2)}
    specs = [EpisodeSpec(n, (FOLD.novel[n],), ((8,),), ((n,),)) for n in range(2)]
    score = ThresholdScore(WholeOnLabel(), FOLD, merge, grid=(0.4, 0.7))
    balances = score.balances(score(outputs, specs, pictures))
    for tau, balance in zip(score.grid, balances, strict=True):
        rows = GeneralisedScore(WholeOnLabel(), FOLD, merge, tau)(outputs, specs, pictures)
        scores = generalised_scores(rows, FOLD)
        assert balance == (scores.novel + scores.base) / 2
    assert balances[0] != balances[1]


def test_the_best_mean_over_the_groups_wins_and_the_larger_of_equals() -> None:
    assert best_tau([[0.1, 0.5, 0.3], [0.4, 0.2, 0.4]], (0.3, 0.5, 0.9)) == 0.9
    assert best_tau([[0.1, 0.6, 0.3], [0.4, 0.2, 0.4]], (0.3, 0.5, 0.9)) == 0.5
    assert 0.9 in GRID


def test_a_plan_of_some_pictures_draws_from_them_alone() -> None:
    counts = np.ones((9, 6), np.int64)
    chosen = np.array([7, 2, 4, 5])
    plan = GeneralisedPlan(_index(counts), FOLD, n_shot=2, n_episodes=8, seed=1, pictures=chosen)
    specs = plan.episodes()
    assert [spec.query[0][0] for spec in specs] == [7, 2, 4, 5] * 2
    assert {picture for spec in specs for picture in spec.support[0]} <= set(chosen.tolist())
