"""Crops near objects: where they lie, and that image and label stay together."""

import random

import numpy as np
import pytest
import torch

from sccan.segmentation.data.transforms.object_crops import CropsNearObjects

LABEL = np.zeros((90, 140), np.uint8)
LABEL[8:14, 120:130], LABEL[14, 120:130] = 3, 255
IMAGE = np.zeros((90, 140, 3), np.uint8)
IMAGE[..., 0], IMAGE[..., 1], IMAGE[..., 2] = LABEL, np.arange(90)[:, None], np.arange(140)
PLAIN = {"quarter_turns": False, "flip": 0.0, "shuffle_channels": 0.0, "brightness": 0.0, "contrast": 0.0}


def test_a_share_of_the_crops_lies_near_an_object() -> None:
    for share in (0.0, 0.5, 1.0):
        crops = CropsNearObjects((33, 41), near_object=share, **PLAIN)  # type: ignore[arg-type]
        seen = [bool((crops(IMAGE, LABEL, random.Random(seed))[1] == 3).any()) for seed in range(300)]
        by_chance = 0.13
        assert abs(np.mean(seen) - (share + (1 - share) * by_chance)) < 0.1
        assert all(seen) or share < 1


def test_pixels_come_from_one_window() -> None:
    crops = CropsNearObjects((33, 41), **PLAIN)  # type: ignore[arg-type]
    for seed in range(20):
        image, label = crops(IMAGE, LABEL, random.Random(seed))
        assert image.shape == (3, 33, 41)
        assert image.dtype == label.dtype == torch.uint8
        top, left = int(image[1, 0, 0]), int(image[2, 0, 0])
        assert (image[0].numpy() == LABEL[top : top + 33, left : left + 41]).all()
        assert torch.equal(image[0], label)


def test_turns_and_flips_keep_image_and_label_together() -> None:
    crops = CropsNearObjects((33, 33), shuffle_channels=0, brightness=0, contrast=0)
    orientations = set()
    for seed in range(60):
        image, label = crops(IMAGE, LABEL, random.Random(seed))
        assert torch.equal(image[0], label)
        rows, columns = image[1].int(), image[2].int()
        steps = (rows[1, 0] - rows[0, 0], columns[1, 0] - columns[0, 0], rows[0, 1] - rows[0, 0])
        orientations.add((*(int(step) for step in steps), int(columns[0, 1] - columns[0, 0])))
    assert len(orientations) == 8  # four turns, each with and without a flip


def test_small_pictures_are_padded() -> None:
    image, label = CropsNearObjects((101, 101), near_object=1, brightness=0, contrast=0)(IMAGE, LABEL, random.Random(1))
    assert image.shape == (3, 101, 101)
    assert (label == 255).sum() > 101 * 10


def test_colours_change_within_bounds_and_by_channel() -> None:
    grey = np.full((40, 40, 3), (60, 120, 180), np.uint8)
    crops = CropsNearObjects((33, 33), brightness=0.1, contrast=0.0, shuffle_channels=1.0)
    colours = np.array([crops(grey, LABEL[:40, :40], random.Random(s))[0][:, 0, 0].tolist() for s in range(200)])
    shifts = np.sort(colours, axis=1) - (60, 120, 180)
    assert (shifts == shifts[:, :1]).all()
    assert 20 < np.abs(shifts).max() <= 26
    assert len({tuple(row) for row in np.argsort(colours, axis=1)}) == 6
    stretched = CropsNearObjects((33, 33), brightness=0.0, contrast=0.2, shuffle_channels=0.0)
    ranges = [np.ptp(stretched(grey, LABEL[:40, :40], random.Random(s))[0].numpy()) for s in range(100)]
    assert 95 <= min(ranges) < 110
    assert 130 < max(ranges) <= 145


def test_quarter_turns_of_oblong_crops_are_refused() -> None:
    with pytest.raises(ValueError, match="quarter turns need square crops"):
        CropsNearObjects((33, 41))


def test_objects_are_all_values_or_the_value_one() -> None:
    two = LABEL.copy()
    two[60:70, 10:20] = 1
    for any_value, wanted in ((True, {1, 3}), (False, {1})):
        crops = CropsNearObjects((33, 41), near_object=1.0, any_foreground=any_value, **PLAIN)  # type: ignore[arg-type]
        labels = [crops(IMAGE, two, random.Random(seed))[1] for seed in range(60)]
        assert {value for label in labels for value in label.unique().tolist()} - {0, 255} == wanted
