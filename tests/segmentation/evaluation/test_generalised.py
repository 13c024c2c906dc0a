"""Generalised few-shot segmentation: merge rules, rows and scores against hand-worked numbers, and the plan."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.errors import InputError
from sccan.segmentation.data.sampling.generalised_plan import GeneralisedPlan
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation.generalised import (
    GeneralisedScore,
    generalised_scores,
    merge_base,
    merge_final,
)
from sccan.segmentation.evaluation.scoring import WholeOnLabel

FOLD = Fold(0, base=(2, 4, 5), novel=(1, 3))


def _maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Four pixels: base learner says 0, 2, 0, 3; the ensemble is sure of the first two."""
    base = torch.full((4, 1, 4), -5.0)
    for place, label in enumerate((0, 2, 0, 3)):
        base[label, 0, place] = 5
    return torch.tensor([[[0.0, 0.0, 2.0, 0.0]], [[4.0, 4.0, 2.0, 1.0]]]), base


def test_the_ensemble_decides_first_under_final() -> None:
    assert merge_final(*_maps()).tolist() == [[4, 4, 0, 3]]


def test_the_base_learner_decides_first_under_base() -> None:
    assert merge_base(*_maps()).tolist() == [[4, 2, 0, 3]]


def test_a_lower_threshold_believes_more() -> None:
    final, base = _maps()
    assert merge_final(final, base, tau=0.6).tolist() == [[4, 4, 0, 4]]


def _row(chosen: int, label: list[list[int]], maps: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    original = np.array(label, np.uint8)
    picture = Picture(7, "p", torch.zeros(3, 1, 4), original, original, (1, 4))
    score = GeneralisedScore(WholeOnLabel(), FOLD)
    final, base = maps
    output = torch.cat([final, torch.zeros(2, 1, 4), base])[None, None]  # [B, 1, 4 + N, H, W]
    return score(output, [EpisodeSpec(0, (chosen,), ((8,),), ((7,),))], {7: picture})


def test_a_row_counts_labels_of_base_classes_and_of_the_episodes_own() -> None:
    # Predicted 4, 4, 0, 3; the other novel class 1 is background, 255 does not count.
    row = _row(3, [[3, 5, 1, 255]], _maps())[0]
    assert row.tolist() == [0, 3, *[1, 0, 0, 0, 1], *[1, 0, 0, 1, 2]]


def test_scores_by_hand() -> None:
    rows = torch.tensor(
        [
            [0, 1, *[10, 2, 0, 0, 3], *[20, 4, 0, 0, 4]],
            [1, 3, *[10, 0, 3, 0, 1], *[20, 4, 4, 0, 2]],
            [2, 3, *[10, 0, 3, 0, 0], *[20, 0, 4, 0, 2]],
        ]
    )
    scores = generalised_scores(rows, FOLD)
    assert scores.per_class == pytest.approx({1: 3 / 4, 2: 2 / 8, 3: 1 / 4, 4: 6 / 8, 5: 0.0})
    assert scores.novel == pytest.approx(0.5)
    assert scores.base == pytest.approx(1 / 3)
    assert scores.total == pytest.approx((0.75 + 0.25 + 0.25 + 0.75) / 5)
    assert scores.background == pytest.approx(0.5)
    assert scores.fb_iou == pytest.approx((0.5 + 12 / 24) / 2)


def _index(counts: np.ndarray) -> ClassIndex:
    n = len(counts)
    names = tuple(f"c{number}" for number in range(1, counts.shape[1]))
    files = tuple(f"p{number}.jpg" for number in range(n))
    sizes = np.full((n, 2), 9)
    return ClassIndex(Path("."), files, files, counts, np.zeros(n, np.int64), sizes, names)


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(6, 15))
def test_every_episode_of_the_plan_keeps_the_rules(seed: int, n_shot: int, n_pictures: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 2, (n_pictures, 6))
    counts[:4, [1, 3]] = 1
    plan = GeneralisedPlan(_index(counts), FOLD, n_shot=n_shot, n_episodes=2 * n_pictures, seed=seed)
    for number, spec in enumerate(plan.episodes()):
        (chosen,), (query,), support = spec.classes, spec.query[0], spec.support[0]
        assert query == number % n_pictures
        assert chosen in FOLD.novel
        shown = [novel for novel in FOLD.novel if counts[query, novel]]
        if shown and not counts[query, list(FOLD.base)].any():
            assert chosen in shown
        assert len(set(support)) == n_shot
        assert query not in support
        assert all(counts[picture, chosen] for picture in support)
        assert spec == plan.episode(0, number)


def test_a_novel_class_in_too_few_pictures_is_refused() -> None:
    counts = np.ones((5, 6), np.int64)
    counts[2:, 3] = 0
    with pytest.raises(InputError, match=r"class 3 \(c3\) of fold 0 is in 2 pictures of the test list, but 2 shot"):
        GeneralisedPlan(_index(counts), FOLD, n_shot=2, n_episodes=5, seed=0)


def test_a_plan_without_episodes_is_refused() -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        GeneralisedPlan(_index(np.ones((5, 6), np.int64)), FOLD, n_shot=1, n_episodes=0, seed=0)
