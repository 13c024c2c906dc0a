"""Results and training curves as sections of a page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.report.charts import Curve
from sccan.report.page import Page
from sccan.report.result_page import logged_curve, read_log, result_sections, training_section
from tests.report.test_page import read
from tests.report.test_results import result


def test_result_page_shows_margin_intervals_classes_and_facts() -> None:
    html = Page("t", result_sections(result())).render()
    shown = " ".join(" ".join(read(html).text).split())
    for words in (
        "55.00 ± 1.00",
        "+10.00 against prior mask, tuned",
        "prior mask, tuned layer4 > 0.72",
        "18 episodes",
        "hash0, hash1",
    ):
        assert words in shown


def test_a_method_below_its_baseline_says_so() -> None:
    html = Page("t", result_sections(replace(result(), miou=result().baselines[0].miou))).render()
    assert "−38.00" in html


def test_training_section_marks_the_best_validation() -> None:
    section = training_section(
        [Curve("loss", list(range(1000)), [1 / (1 + n) for n in range(1000)]), Curve("none", [], [])],
        [Curve("base mIoU", [100, 200, 300], [0.3, 0.5, 0.4])],
    )
    html = Page("t", [section]).render()
    assert read(html)
    assert "the best, 50.00 % at step 200" in html
    assert html.count("<polyline") == 2


def test_nothing_logged_is_said() -> None:
    assert "Nothing was logged" in Page("t", [training_section([], [Curve("a", [], [])])]).render()


def test_log_of_a_killed_and_resumed_run(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [
        {"event": "started", "step": 0},
        {"step": 1, "losses": {"total": 2.0}},
        {"step": 2, "losses": {"total": 1.5}},
        {"step": 2, "validation": {"score": 0.3}},
        {"step": 2, "losses": {"total": 1.4}},
        {"step": 3, "losses": {"total": None}},
    ]
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 4, "lo')
    assert logged_curve(read_log(log), "loss", "step", "losses.total") == Curve("loss", [1, 2], [2.0, 1.4])
    assert logged_curve(read_log(log), "score", "step", "validation.score") == Curve("score", [2], [0.3])
    log.write_text("not JSON\n{}\n")
    with pytest.raises(InputError, match="line 1: no JSON at column 1"):
        read_log(log)
