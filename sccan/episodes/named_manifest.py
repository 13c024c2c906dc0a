"""A manifest without its data set: what a file says about episodes by the names of pictures alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.episodes.manifest import check_numbers, manifest_header, manifest_lines, named_episode
from sccan.errors import InputError


@dataclass(frozen=True)
class NamedEpisode:
    """Classes by number, pictures by name; one tuple of pictures per way."""

    number: int
    classes: tuple[int, ...]
    support: tuple[tuple[str, ...], ...]
    query: tuple[tuple[str, ...], ...]

    @property
    def drawn(self) -> tuple[Any, ...]:
        """What makes two episodes the same, wherever they stand."""
        return self.classes, self.support, self.query


@dataclass(frozen=True)
class NamedManifest:
    """A manifest as it stands in its file.

    Attributes:
        path: the file.
        header: its first line.
        episodes: the others, in order.
        untouched: whether the episodes are the ones the header's hash was made of.
    """

    path: Path
    header: dict[str, Any]
    episodes: tuple[NamedEpisode, ...]
    untouched: bool

    def per_class(self) -> dict[int, int]:
        """Class -> episodes in which it occurs, by class number."""
        return dict(sorted(Counter(number for episode in self.episodes for number in episode.classes).items()))

    def queries(self) -> Counter[str]:
        """How often each picture is a query."""
        return Counter(name for episode in self.episodes for way in episode.query for name in way)


def read_named(path: str | Path) -> NamedManifest:
    """Reads a manifest without the data set it was made for.

    Raises InputError: the file is missing or no manifest.
    """
    path = Path(path)
    first, *lines = manifest_lines(path)
    header = manifest_header(first, path)
    digest = hashlib.sha256(header["index"].encode())
    for _, line in lines:
        digest.update(line.encode())
    untouched = header["hash"] == digest.hexdigest()[:16] and header["episodes"] == len(lines)
    episodes = tuple(_episode(path, number, line) for number, line in lines)
    if not episodes:
        raise InputError(f"manifest {path} holds no episodes")
    if untouched:
        check_numbers([episode.number for episode in episodes], path)
    return NamedManifest(path, header, episodes, untouched)


@dataclass(frozen=True)
class ManifestDifference:
    """How two manifests differ.

    Attributes:
        header: key -> the two values, where they differ.
        same_place: episodes that are the same at the same place.
        shared: episodes that are in both, wherever.
        per_class: class -> episodes in each, where they differ.
        first: place of the first episode that differs; None: one is the other, or its beginning.
    """

    header: dict[str, tuple[Any, Any]]
    same_place: int
    shared: int
    per_class: dict[int, tuple[int, int]]
    first: int | None

    @property
    def identical(self) -> bool:
        """Whether both test the same episodes in the same order on the same data."""
        return self.first is None and not {"index", "episodes", "format"} & set(self.header)


def compare_manifests(one: NamedManifest, other: NamedManifest) -> ManifestDifference:
    """Compares what two files say."""
    keys = dict.fromkeys((*one.header, *other.header))
    header = {key: (one.header.get(key), other.header.get(key)) for key in keys}
    both = [episode.drawn == twin.drawn for episode, twin in zip(one.episodes, other.episodes, strict=False)]
    counts = one.per_class(), other.per_class()
    classes = sorted({*counts[0], *counts[1]})
    shared = Counter(e.drawn for e in one.episodes) & Counter(e.drawn for e in other.episodes)
    return ManifestDifference(
        header={key: pair for key, pair in header.items() if pair[0] != pair[1]},
        same_place=sum(both),
        shared=shared.total(),
        per_class={
            c: (counts[0].get(c, 0), counts[1].get(c, 0)) for c in classes if counts[0].get(c) != counts[1].get(c)
        },
        first=both.index(False) if False in both else None,
    )


def _episode(path: Path, number: int, line: str) -> NamedEpisode:
    episode = named_episode(line, path, number)
    support, query = (tuple(tuple(way) for way in ways) for ways in (episode.support, episode.query))
    return NamedEpisode(episode.number, tuple(episode.classes), support, query)
