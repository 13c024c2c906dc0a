"""Scores of BAM's learners on their own, against hand-worked numbers and the ordinary score of the ensemble."""

import dataclasses

import numpy as np
import pytest
import torch

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.data.labels.masks import base_label_table
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.data.sets.folds import Fold
from sccan.segmentation.evaluation.iou import count_labels
from sccan.segmentation.evaluation.outcomes import part_outcomes
from sccan.segmentation.evaluation.part_scores import PartScore, base_miou, final_rows, meta_rows
from sccan.segmentation.evaluation.scoring import LogitScore, WholeOnLabel

FOLD = Fold(0, base=(2, 4, 5), novel=(1, 3))
COMPARISON = WholeOnLabel()


def _two_maps(foreground: list[list[int]]) -> torch.Tensor:
    """Logits [2, H, W] whose larger one is `foreground`."""
    here = torch.tensor(foreground, dtype=torch.float32)
    return torch.stack([1 - here, here])


def _answers(final: list[list[int]], meta: list[list[int]], base: list[list[int]]) -> torch.Tensor:
    """Stacked answers [1, 4 + N, H, W]; `base` are the labels that the base learner gives."""
    labels = torch.nn.functional.one_hot(torch.tensor(base), len(FOLD.base) + 1).permute(2, 0, 1).float()
    return torch.cat([_two_maps(final), _two_maps(meta), labels])[None]


def _batch() -> tuple[torch.Tensor, list[EpisodeSpec], dict[int, Picture]]:
    """Two episodes of pictures of 2 x 3 pixels."""
    first = np.array([[3, 3, 5], [0, 1, 255]], np.uint8)
    second = np.array([[2, 2, 0], [1, 1, 0]], np.uint8)
    pictures = {
        number: Picture(number, f"p{number}", torch.zeros(3, 2, 3), label, label, (2, 3))
        for number, label in ((7, first), (9, second))
    }
    specs = [EpisodeSpec(0, (3,), ((8,),), ((7,),)), EpisodeSpec(1, (1,), ((8,),), ((9,),))]
    outputs = torch.stack(
        [
            _answers([[1, 0, 0], [0, 0, 0]], [[1, 1, 1], [0, 0, 1]], [[0, 0, 3], [0, 3, 1]]),
            _answers([[0, 0, 0], [1, 1, 1]], [[0, 1, 0], [1, 0, 0]], [[1, 0, 0], [2, 0, 0]]),
        ]
    )  # [B, 1, 4 + N, H, W]
    return outputs, specs, pictures


def test_the_ensemble_is_scored_as_alone() -> None:
    outputs, specs, pictures = _batch()
    rows = PartScore(COMPARISON, FOLD)(outputs, specs, pictures)
    assert rows.shape == (2, 10 + 3 * 4)
    torch.testing.assert_close(final_rows(rows), LogitScore(COMPARISON)(outputs[:, :, :2], specs, pictures))


def test_the_rows_of_both_learners_by_hand() -> None:
    rows = PartScore(COMPARISON, FOLD)(*_batch())
    # First: class 3 at two pixels, a third one is claimed; the pixel of 255 does not count.
    assert meta_rows(rows).tolist() == [[0, 3, 2, 2, 3, 3], [1, 1, 3, 1, 5, 3]]
    # First: true 0 0 3 0 0 -, said 0 0 3 0 3 -. Second: true 1 1 0 0 0 0, said 1 0 0 2 0 0.
    assert rows[0, 10:].tolist() == [*[3, 0, 0, 1], *[4, 0, 0, 2], *[4, 0, 0, 1]]
    assert rows[1, 10:].tolist() == [*[3, 1, 0, 0], *[5, 2, 1, 0], *[4, 2, 0, 0]]


def test_labels_below_the_background_are_left_out_without_changing_a_count() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 1, 4 + 4, 5, 4, generator=generator)
    outputs[:, :, 4] += 0.8  # the background
    outputs[0, :, 6] = outputs[0, :, 4]  # never above it
    _, specs, pictures = _batch()
    label = torch.randint(0, 6, (11, 9), generator=generator).numpy().astype(np.uint8)
    pictures = {number: dataclasses.replace(old, original_label=label) for number, old in pictures.items()}
    rows = PartScore(COMPARISON, FOLD)(outputs, specs, pictures)
    table = torch.from_numpy(base_label_table(FOLD.base)[label])
    for row, output in zip(rows, outputs, strict=True):
        counts = count_labels(COMPARISON.maps(output[0, 4:], (11, 9)).argmax(0), table, 4)
        assert row[10:].tolist() == torch.cat([counts.intersection, counts.union, counts.target]).tolist()


def test_the_base_learner_is_a_mean_over_the_base_classes_that_occur() -> None:
    rows = PartScore(COMPARISON, FOLD)(*_batch())
    assert base_miou(rows) == pytest.approx((1 / 2 + 1 / 2) / 2)  # classes 2 and 5; class 4 is claimed, never true
    rows[:, -4 + 1 :] = 0
    assert base_miou(rows) is None


def test_outcomes_name_what_is_scored_on_which_classes() -> None:
    rows = PartScore(COMPARISON, FOLD)(*_batch())
    meta, base = part_outcomes([rows, rows[:1]], FOLD.novel)
    assert meta.miou.mean == pytest.approx((1 / 3 + 2 / 3 + 0 + 2 / 3) / 4)
    assert meta.fb_iou is not None
    assert base.fb_iou is None
    assert base.miou.mean == pytest.approx((1 / 2 + 1 / 2) / 2)
    rows[:, -4 + 1 :] = 0
    assert [part.name for part in part_outcomes([rows], FOLD.novel)] == ["meta learner alone"]
