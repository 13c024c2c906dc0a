"""Episodes as a file: JSON lines that name pictures, so that a test can be replayed anywhere.

The first line describes the file; every other line is an episode. Pictures go by name, never by number or path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError
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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise InputError(f"manifest {path} {reason}; give a file that a test has written") from error
    header = parsed_line(lines[0] if lines else "", path, 1)
    if header.get("format") != FORMAT:
        raise InputError(
            f"{path} is no manifest: its first line has the format {header.get('format')!r}, not {FORMAT!r}"
        )
    if header.get("index") != index.content_hash:
        raise InputError(
            f"manifest {path} was made for other data: its index hash is {header.get('index')}, that of "
            f"{index.root} is {index.content_hash}; use the same list, labels and class names"
        )
    if header.get("episodes") != len(lines) - 1:
        raise InputError(f"manifest {path} announces {header.get('episodes')} episodes, but holds {len(lines) - 1}")
    if len(lines) < 2:
        raise InputError(f"manifest {path} holds no episodes")
    repeats = header.get(REPEATS) is True
    specs = tuple(_episode(line, index, path, number, repeats) for number, line in enumerate(lines[1:], 2))
    actual = manifest_hash(specs, index)
    if header.get("hash") != actual:
        raise InputError(
            f"manifest {path} was changed: its hash is {header.get('hash')}, that of its episodes {actual}"
        )
    return Manifest(specs, actual, header)


def _line(spec: EpisodeSpec, index: ClassIndex) -> str:
    named = {
        "number": spec.number,
        "classes": list(spec.classes),
        "support": [[index.names[picture] for picture in way] for way in spec.support],
        "query": [[index.names[picture] for picture in way] for way in spec.query],
    }
    return json.dumps(named, ensure_ascii=False)


def parsed_line(line: str, path: Path, number: int) -> dict[str, Any]:
    """A line of a manifest as an object. Raises InputError: it is none."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InputError(f"manifest {path}, line {number}: no JSON object; the file is damaged") from error
    if not isinstance(value, dict):
        raise InputError(f"manifest {path}, line {number}: no JSON object; the file is damaged")
    return value


def _episode(line: str, index: ClassIndex, path: Path, number: int, repeats: bool) -> EpisodeSpec:
    """One episode of a manifest, checked; with `repeats` a support may come twice, but never the query."""
    value, place = parsed_line(line, path, number), f"manifest {path}, line {number}"
    position, classes = value.get("number"), value.get("classes", [])
    if type(position) is not int or not _is_list_of(classes, int):
        raise InputError(f'{place}: expected "number" and a list "classes", but found {line[:60]!r}')
    unknown = next((c for c in classes if not 1 <= c <= index.n_classes), None)
    if unknown is not None:
        raise InputError(f"{place}: class {unknown} is not among the {index.n_classes} classes of the data set")
    ways = []
    for key in ("support", "query"):
        named = value.get(key)
        if not isinstance(named, list) or len(named) != len(classes) or not all(_is_list_of(w, str) for w in named):
            raise InputError(f'{place}: expected "{key}" to be a list of picture names for each of {len(classes)} ways')
        ways.append(tuple(tuple(index.number_of(name) for name in way) for way in named))
    spec = EpisodeSpec(position, tuple(classes), *ways)
    pictures = [*spec.query, *(set(way) if repeats else way for way in spec.support)]
    flat = [picture for way in pictures for picture in way]
    repeated = next((picture for picture in flat if flat.count(picture) > 1), None)
    if repeated is not None:
        raise InputError(f"{place}: picture {index.names[repeated]!r} occurs twice in one episode")
    return spec


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is kind for item in value)
