"""Every protocol tests the tiny run from end to end; its result says how, and its manifest replays to its digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sccan.commands import episodes, test
from sccan.segmentation.evaluation.protocols import PROTOCOLS
from tests.commands.conftest import Tiny


def result_of(tiny: Tiny, out: Path, *opts: str, manifest: Path | None = None) -> dict[str, Any]:
    """The result of a test of the tiny run, as read from its JSON file."""
    more = ["TEST.BASELINES", "False", "DATA.SKIP_SMALL_CLASSES", "True", *opts]
    replay = ["--manifest", str(manifest)] if manifest else []
    assert test.main(["--out", str(out), *replay, *tiny.argv(*more)]) == 0
    result: dict[str, Any] = json.loads((out / "results.json").read_text())
    return result


@pytest.mark.parametrize("name", PROTOCOLS)
def test_results_state_how_they_were_measured_and_replay(tiny: Tiny, tmp_path: Path, name: str) -> None:
    opts = ["TEST.PROTOCOL", name, "EPISODE.SHOTS", "2", "TEST.SEEDS", "[0]", "TEST.RESIZE", ""]
    result = result_of(tiny, tmp_path / "a", *opts)
    assert result["protocol"] == name
    assert result["label_variant"] == "unknown"  # the generator of the embedded data set keeps no record
    assert "base-class" in result["selection"]
    assert (result["seeds"], result["episodes"], result["shots"]) == ([0], [7], 2)
    assert sum(entry["episodes"] for entry in result["classes"]) == 7
    file = tmp_path / "a" / "episodes_seed0.jsonl"
    assert [json.loads(file.read_text().splitlines()[0])["hash"]] == result["manifests"]
    replayed = result_of(tiny, tmp_path / "b", *opts, manifest=file)
    for key in ("miou", "fb_iou", "classes", "manifests"):
        assert replayed[key] == result[key]
    # The episodes tool writes that very file without testing.
    more = tiny.argv("DATA.SKIP_SMALL_CLASSES", "True", *opts)
    assert episodes.main(["write", "--out", str(tmp_path / "c"), *more]) == 0
    assert (tmp_path / "c" / "episodes_seed0.jsonl").read_text() == file.read_text()


def test_votes_and_the_network_join_shots_differently(tiny: Tiny, tmp_path: Path) -> None:
    opts = ["TEST.PROTOCOL", "hsnet", "EPISODE.SHOTS", "3", "TEST.SEEDS", "[0]", "TEST.EPISODES", "12"]
    votes = result_of(tiny, tmp_path / "votes", *opts)
    inside = result_of(tiny, tmp_path / "inside", *opts, "TEST.SHOTS", "network")
    assert inside["protocol"] == "hsnet+shots=network"
    assert votes["manifests"] == inside["manifests"]
    assert votes["miou"] != inside["miou"]


def test_hsnets_own_list_sets_the_order_of_the_queries(tiny: Tiny, tmp_path: Path) -> None:
    opts = ["TEST.PROTOCOL", "hsnet", "TEST.SEEDS", "[0]", "DATA.SKIP_SMALL_CLASSES", "True"]
    assert episodes.main(["write", "--out", str(tmp_path / "a"), *tiny.argv(*opts)]) == 0
    lines = (tmp_path / "a" / "episodes_seed0.jsonl").read_text().splitlines()[1:]
    first = [json.loads(line) for line in lines]
    listed = [(episode["query"][0][0], episode["classes"][0]) for episode in first]
    supports = [(episode["support"][0][0], episode["classes"][0]) for episode in first]
    order = list(dict.fromkeys([*listed[::-1], *supports]))
    fold = tmp_path / "fold0.txt"
    fold.write_text("".join(f"{name}__{number:02d}\n" for name, number in order))
    assert episodes.main(["write", "--out", str(tmp_path / "b"), *tiny.argv(*opts, "TEST.ITEMS", str(fold))]) == 0
    lines = (tmp_path / "b" / "episodes_seed0.jsonl").read_text().splitlines()[1:]
    drawn = [json.loads(line) for line in lines]
    assert [(episode["query"][0][0], episode["classes"][0]) for episode in drawn] == order[: len(drawn)]
