"""`sccan mark-one`: draws, scores and files, the same for every model, and one line for folders that say nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.builders.ready import DEFAULT
from sccan.commands import mark_one
from sccan.predict.mark_one import Draw, Finding, plan, scores
from sccan.predict.supports import Supports
from tests.engine.processes import run_module
from tests.predict.made_up import disc, segmenter_file

SIZES = ((60, 80), (50, 70), (80, 60), (64, 64), (70, 90))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures with a bright disc each, a tenth of their rim ignored in the masks."""
    root = tmp_path_factory.mktemp("discs")
    for part in ("images", "masks"):
        (root / part).mkdir()
    for number, size in enumerate(SIZES):
        image, inside = disc(*size, seed=number)
        Image.fromarray(image).save(root / "images" / f"{number}.png")
        label = inside.astype(np.uint8)
        label[:5] = 255
        Image.fromarray(label).save(root / "masks" / f"{number}.png")
    (root / "classes.txt").write_text("disc\n")
    return root


def test_every_class_and_number_is_drawn_scored_and_written(folder: Path, tmp_path: Path) -> None:
    model, out = segmenter_file(tmp_path), tmp_path / "out"
    argv = [
        str(folder),
        "--out",
        str(out),
        "--model",
        str(model),
        "--shots",
        "1",
        "3",
        "--draws",
        "2",
        "--device",
        "cpu",
    ]
    assert mark_one.main(argv) == 0
    stored = json.loads((out / "results.json").read_text())
    assert [(row["class"], row["marked"], row["pictures"]) for row in stored["results"]] == [
        ("disc", 1, 8),
        ("disc", 3, 4),
    ]
    assert stored["draws"] == {"seed": 0, "shots": [1, 3], "draws": 2, "queries": 25}
    assert len(stored["model_digest"]) == 16
    with (out / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert all(row["picture"] not in row["marked_pictures"].split() for row in rows)
    means = {
        draw: np.mean([float(row["iou"]) for row in rows if (row["marked"], row["draw"]) == ("1", draw)])
        for draw in "01"
    }
    assert stored["results"][0]["iou"] == pytest.approx(np.mean(list(means.values())), abs=1e-3)
    with Image.open(out / "worst.jpg") as sheet:
        assert sheet.width > 800
    page = (out / "report.html").read_text()
    assert "The worst pictures" in page
    assert "95 % interval over draws" in page
    again = tmp_path / "again"
    assert mark_one.main([*argv[:2], str(again), *argv[3:]]) == 0
    assert json.loads((again / "results.json").read_text())["results"] == stored["results"]


@pytest.mark.slow
def test_several_processes_write_what_one_writes(folder: Path, tmp_path: Path) -> None:
    model = segmenter_file(tmp_path)

    def words(out: str) -> list[str]:
        drawn = ["--shots", "1", "2", "--draws", "2", "--learn", "1"]
        return [str(folder), "--out", str(tmp_path / out), "--model", str(model), *drawn, "--device", "cpu"]

    assert mark_one.main(words("1")) == 0
    for processes in ("2", "3"):
        launcher = ("torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
        code, output = run_module(*launcher, "-m", "sccan", "mark-one", *words(processes), timeout=600)
        assert code == 0, output
        assert output.count("wrote ") == 4
        assert _without_times(tmp_path / processes) == _without_times(tmp_path / "1")


def _without_times(out: Path) -> dict[str, object]:
    """What was written, but for when and how fast."""
    results = json.loads((out / "results.json").read_text())
    timed = {name: results.pop(name) for name in ("seconds", "environment", "threads")}
    with (out / "pictures.csv").open(newline="") as file:
        rows = [row[:-2] for row in csv.reader(file)]
    page = (out / "report.html").read_text().partition("What the numbers depend on</h2>")[0]
    assert set(timed["seconds"]) == {"encoding", "finding"}
    return {"results": results, "rows": rows, "page": page, "worst": (out / "worst.jpg").read_bytes()}


@pytest.mark.skipif(not DEFAULT.eyes.here, reason="the weights' package is not installed")
def test_without_a_model_the_discs_are_found(folder: Path, tmp_path: Path) -> None:
    assert mark_one.main([str(folder), "--out", str(tmp_path), "--shots", "2", "--draws", "1", "--size", "128"]) == 0
    (row,) = json.loads((tmp_path / "results.json").read_text())["results"]
    assert row["iou"] > 0.8
    assert row["half_width_95"] is None


def test_draws_depend_on_the_seed_alone_and_marked_pictures_show_enough() -> None:
    supports = Supports()
    for number in range(6):
        image, inside = disc(60, 80, seed=number)
        if number == 5:
            inside = np.zeros_like(inside)
            inside[0, :3] = True
        supports.add(image, inside, "disc")
    drawn = plan(supports.examples, ["disc"], shots=[1, 5], draws=3, queries=4, seed=7)
    assert drawn == plan(supports.examples, ["disc"], shots=[1, 5], draws=3, queries=4, seed=7)
    assert drawn != plan(supports.examples, ["disc"], shots=[1, 5], draws=3, queries=4, seed=8)
    assert [(one.shots, one.number, len(one.others)) for one in drawn] == [
        *((1, number, 4) for number in range(3)),
        *((5, number, 1) for number in range(3)),
    ]
    assert all(5 not in one.marked and not set(one.marked) & set(one.others) for one in drawn)
    assert not plan(supports.examples, ["disc"], shots=[6], draws=1, queries=4, seed=0)


def test_scores_by_hand() -> None:
    first, second = (Draw("disc", 1, number, (0,), (1, 2)) for number in range(2))
    found = [
        Finding(first, 1, 5, 10, (90, 100), 0.5, (0.1, 0.1)),
        Finding(first, 2, 30, 30, (70, 70), 1.0, (0.1, 0.1)),
        Finding(second, 1, 1, 4, (10, 20), 0.25, (0.1, 0.1)),
    ]
    (score,) = scores(found)
    assert (score.draws, score.pictures) == (2, 3)
    assert score.iou == pytest.approx((0.75 + 0.25) / 2)
    assert score.half_width == pytest.approx(12.706 * 0.5 / 2, abs=1e-3)
    assert score.class_iou == pytest.approx(36 / 44)
    assert score.fb_iou == pytest.approx((36 / 44 + 170 / 190) / 2)
    assert score.boundary == pytest.approx((0.75 + 0.25) / 2)


def test_what_cannot_be_drawn_is_one_line(folder: Path, tmp_path: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    out = ["--out", str(tmp_path / "out")]
    line = refusal(mark_one.main, [str(folder), *out, "--shots", "5"])
    assert "'disc' is in 5 pictures, the most of all classes, and 5 marked ones and another are needed" in line
    assert "no picture shows 'disk', but disc; did you mean 'disc'?" in refusal(
        mark_one.main, [str(folder), *out, "--classes", "disk"]
    )
    assert "lies in the examples" in refusal(mark_one.main, [str(folder), "--out", str(folder / "out")])
    assert not (tmp_path / "out").exists()
