"""Manifests read without their data: counts, hashes, and differences worked by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.manifest import write_manifest
from sccan.episodes.named_manifest import compare_manifests, read_named
from sccan.errors import InputError
from tests.episodes.made_up import made_up_index

INDEX = made_up_index(np.random.default_rng(0).integers(0, 5000, (9, 4)))
SPECS = [
    EpisodeSpec(0, (2,), ((3, 1),), ((8,),)),
    EpisodeSpec(1, (3,), ((0, 7),), ((4,),)),
    EpisodeSpec(2, (2,), ((1, 5),), ((8,),)),
]


def written(path: Path, specs: list[EpisodeSpec], seed: int = 5) -> Path:
    write_manifest(path, specs, INDEX, dataset="shapes", fold=1, protocol="stratified", seed=seed)
    return path


def test_names_counts_and_the_hash(tmp_path: Path) -> None:
    manifest = read_named(written(tmp_path / "a.jsonl", SPECS))
    assert manifest.untouched
    assert manifest.per_class() == {2: 2, 3: 1}
    assert manifest.queries() == {"picture008": 2, "picture004": 1}
    assert manifest.episodes[1].support == (("picture000", "picture007"),)


def test_a_touched_file_shows(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", SPECS)
    lines = file.read_text().splitlines()
    for changed in ([lines[0], lines[2], lines[1], lines[3]], lines[:-1], [*lines, lines[1]]):
        file.write_text("\n".join(changed) + "\n")
        assert not read_named(file).untouched


def test_differences_by_hand(tmp_path: Path) -> None:
    one = read_named(written(tmp_path / "a.jsonl", SPECS))
    swapped = [
        SPECS[0],
        EpisodeSpec(1, SPECS[2].classes, SPECS[2].support, SPECS[2].query),
        EpisodeSpec(2, (1,), ((0, 2),), ((6,),)),
    ]
    other = read_named(written(tmp_path / "b.jsonl", swapped, seed=6))
    difference = compare_manifests(one, other)
    assert set(difference.header) == {"seed", "hash"}
    assert (difference.same_place, difference.shared, difference.first) == (1, 2, 1)
    assert difference.per_class == {1: (0, 1), 3: (1, 0)}
    assert not difference.identical
    assert compare_manifests(one, read_named(written(tmp_path / "c.jsonl", SPECS, seed=7))).identical
    shorter = compare_manifests(one, read_named(written(tmp_path / "d.jsonl", SPECS[:2])))
    assert (shorter.first, shorter.identical) == (None, False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 3: no JSON at column 1"),
        ("[1]", "line 3: expected an object, found [1]"),
        ('{"number": 1, "classes": [2], "support": [["a"]]}', "line 3: missing required field 'query'"),
        (
            '{"number": "x", "classes": [2], "support": [["a"]], "query": [["b"]]}',
            "line 3: number: expected a whole number, found 'x'",
        ),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = written(tmp_path / "a.jsonl", SPECS)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], line, *lines[3:]]))
    with pytest.raises(InputError, match=re.escape(message)):
        read_named(file)
    file.write_text(json.dumps(json.loads(lines[0])) + "\n")
    with pytest.raises(InputError, match=r"manifest .*a\.jsonl holds no episodes"):
        read_named(file)
