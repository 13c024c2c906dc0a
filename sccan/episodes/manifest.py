"""Episodes as a file: JSON lines that name pictures, so that a test can be replayed anywhere.

The first line describes the file; every other line is an episode. Pictures go by name, never by number or path.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError
from sccan.files.formats import ManifestEpisode, ManifestHeader
from sccan.files.reading import read_lines
from sccan.files.structured import as_kind, parse_json, shown
from sccan.files.writing import write_text_atomically

FORMAT = "sccan-episodes-1"
REPEATS = "repeated_supports"
"""Set in the first line where the protocol draws supports with replacement, as HSNet's does."""


@dataclass(frozen=True)
class Manifest:
    """Episodes, and where they come from.

    Attributes:
        specs: the episodes in order; pictures are numbers into the index the manifest was read for.
        hash: of the episodes and of the data set's content; test results name it.
        header: everything the first line says: dataset, fold, shots, protocol, seed, episodes, index.
    """

    specs: tuple[EpisodeSpec, ...]
    hash: str
    header: dict[str, Any]


class ManifestPlan(EpisodePlan):
    """Replays the episodes of a manifest; every epoch is the same."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def __len__(self) -> int:
        return len(self.manifest.specs)

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        return self.manifest.specs[number]


def manifest_hash(specs: Sequence[EpisodeSpec], index: ClassIndex) -> str:
    """Hash over the data set's content and the episodes by picture names; 16 hexadecimal digits."""
    digest = hashlib.sha256(index.content_hash.encode())
    for spec in specs:
        digest.update(_line(spec, index).encode())
    return digest.hexdigest()[:16]


def manifest_name(seed: int) -> str:
    """The file of one seed's episodes."""
    return f"episodes_seed{seed}.jsonl"


def write_manifest(
    path: str | Path,
    specs: Sequence[EpisodeSpec],
    index: ClassIndex,
    *,
    dataset: str,
    fold: int,
    protocol: str,
    seed: int,
) -> str:
    """Write episodes to a file, whole or not at all, and return their hash.

    Raises InputError: the file cannot be written. ValueError: there are no episodes.
    """
    if not specs:
        raise ValueError("a manifest needs at least one episode")
    header = {
        "format": FORMAT,
        "dataset": dataset,
        "fold": fold,
        "shots": len(specs[0].support[0]),
        "protocol": protocol,
        "seed": seed,
        "episodes": len(specs),
        "index": index.content_hash,
        "hash": manifest_hash(specs, index),
    }
    if any(len(set(way)) < len(way) for spec in specs for way in spec.support):
        header[REPEATS] = True
    lines = [json.dumps(header), *(_line(spec, index) for spec in specs)]
    write_text_atomically(path, "\n".join(lines) + "\n")
    return str(header["hash"])


def read_manifest(path: str | Path, index: ClassIndex) -> Manifest:
    """Read the episodes of a file for the data set at hand.

    Raises InputError: the file is no manifest, was made for other data, was changed, names unknown pictures, or an
        episode repeats a picture (a support may come twice where the first line says so).
    """
    path = Path(path)
    header, *lines = manifest_lines(path)
    facts = manifest_header(header, path)
    if facts["index"] != index.content_hash:
        raise InputError(
            f"manifest {path} was made for other data: its index hash is {shown(facts['index'])}, that of "
            f"{index.root} is {index.content_hash}; use the same list, labels and class names"
        )
    if facts["episodes"] != len(lines):
        raise InputError(f"manifest {path} announces {facts['episodes']} episodes, but holds {len(lines)}")
    if not lines:
        raise InputError(f"manifest {path} holds no episodes")
    named = [named_episode(line, path, number) for number, line in lines]
    check_numbers([episode.number for episode in named], path)
    specs = tuple(
        _spec(episode, index, f"manifest {path}, line {number}", facts)
        for episode, (number, _) in zip(named, lines, strict=True)
    )
    actual = manifest_hash(specs, index)
    if facts["hash"] != actual:
        raise InputError(
            f"manifest {path} was changed: its hash is {shown(facts['hash'])}, that of its episodes {actual}"
        )
    return Manifest(specs, actual, facts)


def _line(spec: EpisodeSpec, index: ClassIndex) -> str:
    named = {
        "number": spec.number,
        "classes": list(spec.classes),
        "support": [[index.names[picture] for picture in way] for way in spec.support],
        "query": [[index.names[picture] for picture in way] for way in spec.query],
    }
    return json.dumps(named, ensure_ascii=False)


def manifest_lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of the lines of a manifest. Raises InputError: it cannot be read, or is empty."""
    lines = list(read_lines(path, "manifest"))
    if not lines:
        raise InputError(f"manifest {path} is empty; give a file that a test or `sccan episodes` has written")
    return lines


def manifest_header(line: tuple[int, str], path: Path) -> dict[str, Any]:
    """What the first line says. Raises InputError: it is no manifest's, or a fact is missing or of another kind."""
    place = f"manifest {path}, line {line[0]}"
    header: dict[str, Any] = parse_json(line[1], dict[str, Any], place)
    if header.get("format") != FORMAT:
        raise InputError(
            f"{path} is no manifest: its first line has the format {shown(header.get('format'))}, not {FORMAT!r}"
        )
    as_kind(header, ManifestHeader, place)
    return header


def named_episode(line: str, path: Path, number: int) -> ManifestEpisode:
    """A line of a manifest as an episode of names. Raises InputError: it is none, or its ways do not fit together."""
    place = f"manifest {path}, line {number}"
    episode: ManifestEpisode = parse_json(line, ManifestEpisode, place)
    ways = len(episode.classes)
    if len(set(episode.classes)) < ways:
        raise InputError(f"{place}: a class stands twice in {shown(episode.classes)}")
    for key, named in (("support", episode.support), ("query", episode.query)):
        if len(named) != ways or len({len(way) for way in named}) > 1:
            raise InputError(f'{place}: expected "{key}" to be a list of as many pictures for each of {ways} ways')
    return episode


def check_numbers(numbers: Sequence[int], path: Path) -> None:
    """Raises InputError: two episodes of a manifest have one number."""
    twice = next((number for number, count in Counter(numbers).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"manifest {path} has two episodes with the number {twice}; the file was changed")


def _spec(episode: ManifestEpisode, index: ClassIndex, place: str, facts: Mapping[str, Any]) -> EpisodeSpec:
    """One episode for the data at hand, checked; where supports repeat, one may come twice, but never the query."""
    unknown = next((c for c in episode.classes if c > index.n_classes), None)
    if unknown is not None:
        raise InputError(f"{place}: class {unknown} is not among the {index.n_classes} classes of the data set")
    shots = len(episode.support[0])
    if shots != facts["shots"]:
        raise InputError(f"{place}: {shots} supports of a class, but the first line says {facts['shots']} shots")
    support, query = (
        tuple(tuple(index.number_of(name) for name in way) for way in ways) for ways in (episode.support, episode.query)
    )
    spec = EpisodeSpec(episode.number, tuple(episode.classes), support, query)
    pictures = [*spec.query, *(set(way) if facts.get(REPEATS) else way for way in spec.support)]
    repeated = next((n for n, count in Counter(n for way in pictures for n in way).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"{place}: picture {index.names[repeated]!r} occurs twice in one episode")
    for number, *ways in zip(spec.classes, spec.support, spec.query, strict=True):
        absent = next((picture for way in ways for picture in way if not index.counts[picture, number]), None)
        if absent is not None:
            raise InputError(f"{place}: picture {index.names[absent]!r} shows nothing of class {number}")
    return spec
