"""The family with plug-ins and fine-tuning from a run file to a result and to one's own pictures."""

import csv
import json
from pathlib import Path

import pytest

from sccan.commands import classify
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from tests.classification.made_up import noise_picture
from tests.classification.noise_run import noise_options, write_noise
from tests.predict.made_up import save

EXAMPLES = ("cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "cow/1.png", "cow/2.png", "owl/1.png")


@pytest.mark.parametrize(
    ("run", "options", "name"),
    [
        ("cecnet_resnet12_5w5s", ("METHOD.CECNET.FINE_TUNING", "True", "METHOD.NECK", "tsf"), "cecnet+tsf"),
        ("spatialformer_resnet12_5w5s", ("METHOD.NECK", "cece"), "spatialformer+cece"),
        ("amtnet_resnet12_5w1s", ("METHOD.NECK", "sfta", "METHOD.CROSS", "sfsa"), "amtnet+sfta+sfsa"),
        ("tsf_resnet12_5w1s", ("METHOD.CROSS", "cecm"), "tsf+cecm"),
    ],
)
def test_a_plugged_run_is_trained_tested_and_classifies(
    run: str, options: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    root = write_noise(tmp_path / "data")
    settings = ("PICTURE.SIZE", "(20, 20)", "EPISODE.SHOTS", "2", "METHOD.CECNET.TUNING_STEPS", "3")
    more = ("METHOD.SPATIALFORMER.TUNING_STEPS", "3", "TRAIN.EPOCHS", "1")
    words = ["--config", f"config/cifar_fs/{run}.yaml"]
    words += ["--opts", *noise_options(root, tmp_path / "runs", *settings, *more, *options)]
    assert train_command.main(words) == 0
    assert test_command.main(words) == 0
    (result,) = (tmp_path / "runs").rglob("results.json")
    assert json.loads(result.read_text())["method"] == name
    for seed, example in enumerate(EXAMPLES):
        save(tmp_path / "support" / example, noise_picture(24, 30 + seed, seed))
    for seed in range(3):
        save(tmp_path / "photos" / f"{seed}.png", noise_picture(24, 30, 10 + seed))
    folders = ["--support", str(tmp_path / "support"), "--images", str(tmp_path / "photos")]
    model = ["--model", str(tmp_path / "runs" / run), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert classify.main([*model, *folders]) == 0
    (table,) = (tmp_path / "out").glob("*.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 3
    assert all(row["class"] in ("cat", "cow", "dog", "owl") for row in rows)
