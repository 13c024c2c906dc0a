"""Stored features: the numbers that come out, the episodes made of them, and what they are refused for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.classification.data.stored_features import (
    FeatureEpisodes,
    FeatureSource,
    Fingerprint,
    describe_features,
    features_path,
    has_features,
    index_path,
    pictures_digest,
    read_features,
)
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.episodes.ways import EpisodeShape, WayPlan
from sccan.errors import InputError
from tests.classification.made_up import made_up_pictures

WANTED = Fingerprint("resnet12_pooled 00ff", "cifar_fs 1234", {"size": [20, 24]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = np.arange(24 * 3, dtype=np.float32).reshape(24, 3)
    np.save(features_path(tmp_path, "train"), table)
    assert not has_features(tmp_path, "train")
    describe_features(tmp_path, "train", WANTED, "layer4", (20, 24))
    assert has_features(tmp_path, "train")
    return tmp_path


def test_episodes_hold_the_features_of_their_pictures(folder: Path) -> None:
    pictures = made_up_pictures((7, 9, 8))
    stored = read_features(folder, "train", WANTED, 24, "")
    assert (len(stored), list(stored)[:3], stored.image_size) == (24, [0, 1, 2], (20, 24))
    assert stored[4].maps["layer4"].flatten().tolist() == [12.0, 13.0, 14.0]
    plan = WayPlan(pictures.class_pictures(), EpisodeShape(2, 2, 3), n_episodes=4, seed=0)
    episode = FeatureEpisodes(plan, stored).__getitems__([(0, 1), (0, 3)])
    assert episode.support_features is not None
    assert episode.query_features is not None
    assert episode.query_features.maps["layer4"].shape == (2, 6, 3, 1, 1)
    spec = plan.episode(0, 3)
    rows = torch.tensor([n for way in spec.support for n in way])
    assert torch.equal(episode.support_features.maps["layer4"][1, :, 0, 0, 0], 3.0 * rows)
    assert episode.support_labels[1].tolist() == [0, 0, 1, 1]
    assert episode.classes[1].tolist() == list(spec.classes)
    source = FeatureSource(pictures, plan.episodes(), FixedTransform((20, 24)))
    loaded = {n: source.load(n) for n in spec.pictures}
    same = source.assemble([spec], loaded, {n: stored[n] for n in spec.pictures})
    assert same.support_features is not None
    assert torch.equal(same.support_features.maps["layer4"][0], episode.support_features.maps["layer4"][1])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"backbone": "resnet12_pooled aa"},
            "features of backbone resnet12_pooled 00ff, but backbone resnet12_pooled aa",
        ),
        ({"data": "cub 9"}, "features of data set cifar_fs 1234, but data set cub 9 is wanted; again"),
        ({"picture": {"size": [32, 32]}}, r"features of preprocessing .*\[20, 24\].*\[32, 32\]"),
    ],
)
def test_features_of_something_else_are_refused_naming_both(folder: Path, change: dict[str, str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        read_features(folder, "train", dataclasses.replace(WANTED, **change), 24, "again")


def test_what_is_broken_or_missing_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="holds no features of the split val .*; again"):
        read_features(folder, "val", WANTED, 24, "again")
    with pytest.raises(InputError, match="holds 24 features of the split train, but it has 25"):
        read_features(folder, "train", WANTED, 25, "again")
    index_path(folder, "val").write_text("[]")
    np.save(features_path(folder, "val"), np.zeros((3, 3), np.float32))
    with pytest.raises(InputError, match=r"val\.json: expected an object, found \[\]"):
        read_features(folder, "val", WANTED, 3, "again")
    features_path(folder, "train").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"train\.features\.npy cannot be read"):
        read_features(folder, "train", WANTED, 24, "again")


def test_the_digest_follows_the_pictures() -> None:
    pictures, other = made_up_pictures((7, 9, 8)), made_up_pictures((7, 9, 8))
    assert pictures_digest(pictures) == pictures_digest(other)
    other.images[11] += 1
    assert pictures_digest(pictures) != pictures_digest(other)
