"""Training pictures of classification augmented a whole batch at a time, from an array that holds all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sccan.classification.data.episodes import TrainingEpisodes, augmented, resident_pixels
from sccan.classification.data.splits.pictures import ArrayPictures
from sccan.classification.data.transforms.augmentation import Augmentation
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.episodes.ways import EpisodeShape, WayPlan
from tests.classification.data.one_by_one import augmented_picture
from tests.savings.measure import Saving

CLASSES, PER_CLASS = 10, 20
EPISODES = 4
SHAPE = EpisodeShape(5, 1, 6)
"""Of an episode; four of them are 140 pictures."""
SOME_LEVELS = 1e-3
"""Difference where float32 makes a colour of some pixels one level of 256 darker or lighter than Pillow does."""


def training_batch(side: int, pad: int, jitter: float, small: bool) -> Saving:
    """Random numbers are drawn for the whole batch in both forms, so that they are the same."""
    side, pad = (12, 2) if small else (side, pad)
    fixed, augmentation = FixedTransform((side, side)), Augmentation(pad=pad, jitter=jitter)
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (CLASSES * PER_CLASS, side, side, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    pictures = ArrayPictures(images, labels, [f"class{number}" for number in range(CLASSES)], title="noise")
    plan = WayPlan(pictures.class_pictures(), SHAPE, n_episodes=EPISODES, seed=1)
    episodes = TrainingEpisodes(pictures, plan, fixed, augmentation, seed=1, with_pixels=False)
    resident = resident_pixels(pictures, fixed, augmentation, "cpu")
    keys = [(0, number) for number in range(EPISODES)]

    def before() -> list[Tensor]:
        batch = episodes.__getitems__(keys)
        numbers, rows = batch.pictures.flatten().tolist(), batch.drawn.flatten(0, 1).tolist()
        made = [
            augmented_picture(pictures.read(number), row, augmentation, fixed)
            for number, row in zip(numbers, rows, strict=True)
        ]
        whole = torch.stack(made).unflatten(0, batch.pictures.shape)
        first = batch.support_labels.shape[1]
        return [whole[:, :first], whole[:, first:]]

    def after() -> list[Tensor]:
        episode = augmented(episodes.__getitems__(keys), fixed, augmentation, resident=resident)
        assert episode.support_images is not None
        assert episode.query_images is not None
        return [episode.support_images, episode.query_images]

    colours = ", jitter" if jitter else ""
    what = f"Augmentation of 140 pictures, {side} x {side}{colours}"
    return Saving(what, before, after, tolerance=SOME_LEVELS if jitter else 1e-6, calls=5 if jitter else 10)


SAVINGS: dict[str, Callable[[bool], Saving]] = {
    "augmentation-32": partial(training_batch, 32, 4, 0.0),
    "augmentation-84": partial(training_batch, 84, 8, 0.0),
    "augmentation-84-jitter": partial(training_batch, 84, 8, 0.4),
}
