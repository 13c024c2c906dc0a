"""Features of every picture of a split, computed once with a frozen backbone and kept in a safe file.

    SPLIT.features.npy      float32 [n, C], in the order of the pictures
    SPLIT.json              what they are features of; written last, so that a split that has both is complete

They belong to one backbone, one data set and one preprocessing, and are refused for any other.
Letters: B episodes, n pictures, S pictures of one episode, C channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sccan.classification.data.episodes import ClassificationSource, Key, Picture, way_labels
from sccan.classification.data.splits.pictures import Pictures
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError
from sccan.files.arrays import read_array
from sccan.files.formats import StoredFeaturesIndex
from sccan.files.made import says
from sccan.files.structured import as_kind, read_json
from sccan.files.writing import write_json

FORMAT = "sccan-features-1"
BLOCK = 4096
"""Rows that are looked at together."""
SAMPLED = 64
"""Pictures whose content goes into the fingerprint of a data set, spread evenly."""


@dataclass(frozen=True)
class Fingerprint:
    """What features are features of.

    Attributes:
        backbone: its name, and a digest of its weights.
        data: the data set's name, and a digest of names, labels and some pictures of the split.
        picture: preprocessing, as plain data.
    """

    backbone: str
    data: str
    picture: Mapping[str, Any]


def pictures_digest(pictures: Pictures) -> str:
    """16 hexadecimal digits of a hash of a split: the names of pictures and classes, the content of some pictures.

    Raises InputError: one of these cannot be decoded.
    """
    digest = hashlib.sha256(pictures.index().content_hash.encode())
    for number in np.linspace(0, len(pictures) - 1, min(SAMPLED, len(pictures))).round().astype(int).tolist():
        digest.update(np.ascontiguousarray(pictures.read(number)).tobytes())
    return digest.hexdigest()[:16]


class StoredFeatures(Mapping[int, Features]):
    """Features by picture number, mapped into memory and not read.

    Attributes:
        table: [n, C].
        stage: the backbone's stage they are means of.
        image_size: height and width of the pictures that were encoded.
    """

    def __init__(self, table: np.ndarray, stage: str, image_size: tuple[int, int]) -> None:
        self.table, self.stage, self.image_size = table, stage, image_size

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __getitem__(self, number: int) -> Features:
        """With a leading dimension of 1, [1, C, 1, 1]."""
        return self._as_maps(torch.from_numpy(self.table[number : number + 1].copy()))

    def together(self, numbers: Sequence[Sequence[int]]) -> Features:
        """Those of pictures in rows of one length, [B, S, C, 1, 1]."""
        return self._as_maps(torch.from_numpy(self.table[np.asarray(numbers)]))

    def _as_maps(self, vectors: Tensor) -> Features:
        return Features({self.stage: vectors[..., None, None]}, self.image_size)


class FeatureSource(ClassificationSource):
    """Episodes of pictures whose features are known: nothing is decoded."""

    def load(self, number: int) -> Picture:
        return Picture(number, self.pictures.names[number], torch.empty(0))


class FeatureEpisodes(Dataset[Episode]):
    """Training episodes of a plan from stored features, a whole batch at a time."""

    def __init__(self, plan: EpisodePlan, stored: StoredFeatures) -> None:
        self.plan, self.stored = plan, stored

    def __len__(self) -> int:
        """Episodes per epoch."""
        return len(self.plan)

    def __getitems__(self, keys: Sequence[Key]) -> Episode:
        """The episodes of these (epoch, number) as one batch; torch's loader asks for batches by this name."""
        specs = [self.plan.episode(*key) for key in keys]
        return Episode(
            support_images=None,
            support_labels=way_labels([spec.support for spec in specs]),
            query_images=None,
            query_labels=way_labels([spec.query for spec in specs]),
            classes=torch.tensor([spec.classes for spec in specs]),
            numbers=torch.tensor([spec.number for spec in specs]),
            support_features=self._features(specs, "support"),
            query_features=self._features(specs, "query"),
        )

    def _features(self, specs: Sequence[EpisodeSpec], part: str) -> Features:
        return self.stored.together([[n for way in getattr(spec, part) for n in way] for spec in specs])


def features_path(folder: Path, split: str) -> Path:
    """The array of a split."""
    return folder / f"{split}.features.npy"


def index_path(folder: Path, split: str) -> Path:
    """What says what the array of a split holds; it must not outlive the array that it was written for."""
    return folder / f"{split}.json"


def describe_features(folder: Path, split: str, stored: Fingerprint, stage: str, image_size: tuple[int, int]) -> None:
    """Complete a split whose array is written.

    Raises InputError: the folder cannot be written.
    """
    described = {
        "format": FORMAT,
        "backbone": stored.backbone,
        "data": stored.data,
        "picture": dict(stored.picture),
        "stage": stage,
        "image_size": list(image_size),
    }
    write_json(index_path(folder, split), described)


def has_features(folder: Path, split: str) -> bool:
    """Whether a split is complete."""
    return index_path(folder, split).is_file() and features_path(folder, split).is_file()


def holds_features(folder: Path, splits: Iterable[str]) -> bool:
    """Whether a folder holds features of some split, of whatever they are."""
    return any(says(index_path(folder, split), lambda found: found.get("format") == FORMAT) for split in splits)


def read_features(folder: Path, split: str, wanted: Fingerprint, n_pictures: int, advice: str) -> StoredFeatures:
    """The features of a split, if they are what is wanted.

    Args:
        n_pictures: of the split.
        advice: what to do where they are not.

    Raises InputError: they are broken, or belong to another backbone, data set or preprocessing (the line names both).
    """
    index = index_path(folder, split)
    if not has_features(folder, split):
        raise InputError(f"{folder} holds no features of the split {split} ({index.name}); {advice}")
    found: dict[str, Any] = read_json(index, dict[str, Any], "index of features")
    if found.get("format") != FORMAT:
        raise InputError(f"{folder} holds no features of the form {FORMAT}; {advice}")
    described: StoredFeaturesIndex = as_kind(found, StoredFeaturesIndex, str(index))
    table = read_array(features_path(folder, split), mapped=True, dtype="float32", ndim=2)
    named = (("backbone", wanted.backbone), ("data set", wanted.data), ("preprocessing", dict(wanted.picture)))
    for key, (title, want) in zip(("backbone", "data", "picture"), named, strict=True):
        if found[key] != want:
            raise InputError(
                f"{folder} holds features of {title} {str(found[key])[:300]}, but {title} {want} is wanted; {advice}"
            )
    if len(table) != n_pictures:
        raise InputError(
            f"{folder} holds {len(table)} features of the split {split}, but it has {n_pictures}; {advice}"
        )
    if not all(np.isfinite(table[first : first + BLOCK]).all() for first in range(0, len(table), BLOCK)):
        raise InputError(f"{features_path(folder, split)} holds numbers that are not finite; {advice}")
    return StoredFeatures(table, described.stage, described.image_size)
