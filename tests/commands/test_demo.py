"""The whole way in one command, at a size that takes seconds."""

import json
from pathlib import Path

import pytest

from sccan.commands import demo
from tests.commands.conftest import TINY

SMALL = [*TINY, "TRAIN.SIZE", "[65,65]"]


@pytest.mark.slow
def test_every_fold_goes_from_nothing_to_a_report_and_a_second_call_only_tests(tmp_path: Path, capsys) -> None:
    argv = ["--all-folds", "--data", str(tmp_path / "data"), "--output", str(tmp_path / "runs"), "--train", "200"]
    argv += ["--test", "120", "--size", "65", "--opts", *SMALL, "DATA.CACHE", str(tmp_path / "cache")]
    assert demo.main(argv) == 0
    told = capsys.readouterr().out
    assert told.count("finished after") == 8
    table = (tmp_path / "runs" / "shapes_folds.md").read_text()
    assert all(f"fold {fold}" in table for fold in range(4))
    assert "prior mask, tuned" in table
    records = []
    for fold in range(4):
        run = tmp_path / "runs" / f"shapes_split{fold}"
        page = (run / "report.html").read_text()
        assert "Training" in page
        assert page.count("<img") > 10
        records.append(json.loads((run / "results" / "stratified_1shot" / "results.json").read_text()))
    assert [record["fold"] for record in records] == [0, 1, 2, 3]
    weights = (tmp_path / "runs" / "shapes_split2" / "best.safetensors").read_bytes()
    assert demo.main(argv) == 0
    assert (tmp_path / "runs" / "shapes_split2" / "best.safetensors").read_bytes() == weights


def test_the_first_look_ends_with_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--first-look", "--output", str(tmp_path)]) == 0
    found = tmp_path / "first_look" / "found"
    assert f"open {found / 'report.html'}" in capsys.readouterr().out
    assert len(list(found.glob("*.png"))) == 12
    assert "<img" in (found / "report.html").read_text()
    assert not (tmp_path / "shapes_split0").exists()
