"""The record of a test: facts, means, files and tables."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sccan.report.results import (
    BaselineOutcome,
    ClassOutcome,
    EpisodeOutcome,
    Result,
    SeedOutcome,
    Spread,
    fold_table,
    write_result,
)

EPISODES = (
    EpisodeOutcome(0, 3, "q0", ("s0", "s1"), 30, 60),
    EpisodeOutcome(1, 7, "q1", ("s2", "s3"), 0, 0),
)


def seed(number: int, ious: tuple[float, float], counts: tuple[int, int] = (10, 5)) -> SeedOutcome:
    classes = [ClassOutcome(c, n, i, k) for c, n, i, k in zip((3, 7), ("bird", "car"), ious, counts, strict=True)]
    return SeedOutcome(number, f"hash{number}", sum(ious) / 2, 0.7, classes, EPISODES)


def result(fold: int = 0, miou: float = 0.55) -> Result:
    return Result(
        method="SCCAN",
        data_set="shapes",
        protocol="stratified",
        label_variant="as generated",
        fold=fold,
        shots=2,
        seeds=[seed(0, (0.5, 0.6)), seed(1, (0.7, 0.4), (8, 7))],
        miou=Spread(miou, 0.01),
        fb_iou=Spread(0.7, 0.02),
        selection="mIoU on base-class episodes",
        checkpoint="best.safetensors",
        checkpoint_digest="ab12",
        code_revision="0123456+",
        baselines=[
            BaselineOutcome("all foreground", Spread(0.07, 0.001), Spread(0.1, 0.0)),
            BaselineOutcome("prior mask, tuned", Spread(0.45, 0.01), Spread(0.6, 0.0), "layer4", 0.72),
        ],
        published=(0.67, "the paper, other data"),
        extra={"minutes": 12.5},
        folds=2,
    )


def test_record_holds_every_fact_a_number_depends_on() -> None:
    record = json.loads(json.dumps(result().record(), allow_nan=False))
    for name in ("data_set", "protocol", "label_variant", "fold", "shots", "selection", "checkpoint_digest", "minutes"):
        assert name in record
    assert record["seeds"] == [0, 1]
    assert record["manifests"] == ["hash0", "hash1"]
    assert record["episodes"] == [15, 15]
    assert record["miou"] == {"mean": 0.55, "half_width_95": 0.01, "per_seed": [0.55, 0.55]}
    assert record["classes"][0] == {
        "number": 3,
        "name": "bird",
        "iou": pytest.approx(0.6),
        "episodes": 18,
        "per_seed": [0.5, 0.7],
    }
    assert record["baselines"][1]["threshold"] == 0.72
    assert record["published"] == {"miou": 0.67, "source": "the paper, other data"}


def test_a_single_seed_has_no_interval() -> None:
    alone = replace(result(), seeds=[seed(0, (0.5, 0.6))], miou=Spread(0.55, math.nan), fb_iou=Spread(0.7))
    assert alone.record()["miou"]["half_width_95"] is None
    assert "55.00 ±" not in alone.text()
    assert "of one seed" in alone.text()
    with pytest.raises(ValueError, match="at least one seed"):
        replace(result(), seeds=[])


def test_files_hold_classes_and_episodes(tmp_path: Path) -> None:
    files = write_result(tmp_path / "test", result())
    assert sorted(file.name for file in files) == ["classes.csv", "episodes.csv", "results.json", "results.txt"]
    classes = list(csv.DictReader(io.StringIO((tmp_path / "test" / "classes.csv").read_text())))
    assert classes[1] == {"class": "7", "name": "car", "IoU": "0.5", "episodes": "12"}
    episodes = list(csv.DictReader(io.StringIO((tmp_path / "test" / "episodes.csv").read_text())))
    assert len(episodes) == 4
    assert episodes[2]["seed"] == "1"
    assert (episodes[0]["iou"], episodes[1]["iou"]) == ("0.5", "0.0")
    assert episodes[0]["supports"] == "s0 s1"
    assert json.loads((tmp_path / "test" / "results.json").read_text()) == json.loads(json.dumps(result().record()))


def test_text_names_method_baselines_protocol_and_published_apart() -> None:
    text = result().text()
    assert text.startswith("SCCAN on shapes, fold 0, 2-shot\n")
    for words in (
        "stratified",
        "hash0, hash1",
        "prior mask, tuned (layer4 > 0.72)",
        "55.00 ± 1.00",
        "published (the paper, other data)",
        "chosen by mIoU on base-class episodes",
        "over 30 episodes of 2 seeds",
    ):
        assert words in text


def test_fold_table_has_a_column_per_fold_and_a_mean_only_where_all_folds_are() -> None:
    second = result(fold=2, miou=0.45)
    second = replace(second, baselines=[replace(second.baselines[1], threshold=0.31)])
    table = fold_table([result().record(), second.record()])
    assert [column.title for column in table.columns] == ["method", "fold 0", "fold 2", "mean"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["SCCAN"] == [(0.55, 0.01), (0.45, 0.01), pytest.approx(0.5)]
    assert rows["prior mask, tuned"] == [(0.45, 0.01), (0.45, 0.01), pytest.approx(0.45)]
    assert rows["all foreground"] == [(0.07, 0.001), None, None]
    assert table.emphasised == {2}
    for folds in (4, None):  # two of four, or of nobody knows how many, have no mean
        parts = [replace(one, folds=folds).record() for one in (result(), second)]
        assert [row[-1] for row in fold_table(parts).rows] == [None, None, None]


def test_fold_table_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="several values of protocol"):
        fold_table([result().record(), replace(result(fold=1), protocol="sccan").record()])
    with pytest.raises(ValueError, match="SCCAN has two results of fold 0"):
        fold_table([result().record(), result().record()])
