"""Word vectors, measured benchmarks, recorded numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sccan.benchmark.record import FORMAT
from tests.fuzz.campaign import ROOT, SOME, Case
from tests.fuzz.mutations import BYTES, JSON, TEXT


def cases(folder: Path) -> list[Case]:
    return [*_words(folder / "words"), *_benchmarks(folder / "benchmarks"), *_references(folder / "cases")]


def _words(folder: Path) -> list[Case]:
    folder.mkdir(parents=True)
    rows = [f"word{number} " + " ".join(f"{n * 0.1:.2f}" for n in range(5)) for number in range(20)]
    (folder / "glove.txt").write_text("\n".join(rows) + "\n")
    return [Case("word vectors", folder, "glove.txt", ["prepare_words", "{}/glove.txt", "--to", "{}/to"], TEXT)]


def _benchmarks(folder: Path) -> list[Case]:
    folder.mkdir()
    spread = {"median": 1.0, "lower": 0.9, "upper": 1.1}
    machine = {"device": "CPU", "cpu": "x", "threads": 1, "time": "now", "revision": None}
    measured = {"config": "a", "part": "b", "variant": "c", "per_second": spread}
    for name in ("one", "two"):
        content = {"format": FORMAT, "environment": machine, "results": [measured]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return [Case("benchmark", folder, "one.json", ["benchmark", "--compare", "{}/one.json", "{}/two.json"], JSON)]


def _references(folder: Path) -> list[Case]:
    folder.mkdir()
    for path in (ROOT / "tests" / "reference" / "cases" / "can").glob("test_episodes.*"):
        shutil.copy(path, folder)
    verify = ["verify_reference", "{}/test_episodes.json"]
    return [
        Case("reference case", folder, "test_episodes.json", verify, JSON, SOME),
        Case("reference arrays", folder, "test_episodes.npz", verify, BYTES, SOME),
    ]
