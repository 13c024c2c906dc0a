"""tools/doctor.py: exit codes, JSON, what it says about configs, weights and disks, and that it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sccan.builders.segmentation.models import build_backbone
from sccan.commands import doctor_machine
from sccan.commands.doctor import data_set_in, main
from sccan.reference import tiny_dataset
from sccan.settings.loading import load_config
from tests.segmentation.data.test_folder import with_coco, with_labelme

Refusal = Callable[[Callable[[list[str] | None], int], list[str]], str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_dataset.build(str(folder), train=300, val=160)
    return folder


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"DATA: {{NAME: pascal, ROOT: {root}, CACHE: {tmp_path}/cache, TRAIN_LIST: train.txt, VAL_LIST: val.txt}}\n"
        f"BACKBONE: {{NAME: small}}\nMETHOD: {{NAME: pixel_classifier}}\nOUTPUT: {tmp_path}/runs\n"
        f"OPTIM: {{all: {{ALGORITHM: sgd, LR: 0.1}}}}\n"
    )
    return path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Exit code, and findings by check."""
    code = main([*argv, "--json", "--workers", "1"])
    data = json.loads(capsys.readouterr().out)
    assert data["could_start"] == (code == 0)
    by_check: dict[str, list[dict[str, Any]]] = {}
    for finding in data["findings"]:
        by_check.setdefault(finding["check"], []).append(finding)
    return code, by_check


def test_a_sound_config_could_start_and_nothing_is_written(
    config: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "usual"))
    before = {path: path.stat().st_mtime_ns for folder in (root, tmp_path) for path in folder.rglob("*")}
    code, found = run(capsys, str(config))
    assert code == 0, found
    assert found["files"][0]["message"] == "all 460 images and labels are readable and fit together"
    assert found["published val counts"][0]["level"] == "warning"
    assert "fold 0 val" in found
    assert "fold 1 val" not in found
    assert found["backbone weights"][0]["message"] == "none: small starts from random weights"
    assert {path: path.stat().st_mtime_ns for folder in (root, tmp_path) for path in folder.rglob("*")} == before


def test_text_ends_with_the_verdict(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(config), "--workers", "1", "--quick"]) == 0
    assert capsys.readouterr().out.endswith(" warnings: training could start\n")
    assert main([str(config), "--workers", "1", "--quick", "--opts", "METHOD.NAME", "sccan"]) == 1
    text = capsys.readouterr().out
    assert text.endswith("2 errors, 2 warnings: training could not start\n")
    assert (
        "error   backbone weights: BACKBONE.WEIGHTS is empty, but sccan keeps its backbone frozen\n        -> name a"
        in text
    )


@pytest.mark.parametrize(
    ("opts", "check", "line"),
    [
        (["DATA.ROOT", "/none"], "train list", "data root /none of pascal does not exist"),
        (["DATA.ROOT", ""], "data root", "DATA.ROOT is empty"),
        (["DATA.TRAIN_LIST", "other.txt"], "train list", "other.txt does not exist; expected a text file"),
        (["DATA.FOLD", "7"], "folds", "DATA.FOLD is 7, but pascal has folds 0 to 3"),
        (
            ["EPISODE.SHOTS", "60"],
            "fold 0 val",
            "5 of 5 classes have fewer than the 61 pictures of 60 shots and a query",
        ),
        (["BACKBONE.WEIGHTS", "initmodel/none.pth"], "backbone weights", "initmodel/none.pth"),
        (["DEVICE", "cuda"], "device", "DEVICE is cuda, but torch finds no CUDA device"),
        (["TRAIN.PRECISION", "bf16"], "device", "TRAIN.PRECISION is bf16, but there is no CUDA device"),
    ],
)
def test_what_would_keep_training_from_starting(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    opts: list[str],
    check: str,
    line: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, found = run(capsys, str(config), "--quick", "--opts", *opts)
    assert code == 1
    worst = [finding for finding in found[check] if finding["level"] == "error"]
    assert line in worst[0]["message"]
    assert worst[0]["advice"]


def test_weights_that_do_not_fit_and_weights_that_do(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    backbone = build_backbone(load_config(config), trainable=True)
    file = tmp_path / "small.pth"
    torch.save(backbone.state_dict(), file)
    _, found = run(capsys, str(config), "--quick", "--opts", "BACKBONE.WEIGHTS", str(file))
    assert found["backbone weights"][0]["message"] == f"{file} fit small"
    opts = ["BACKBONE.WEIGHTS", str(file), "BACKBONE.NAME", "resnet50_deep"]
    code, found = run(capsys, str(config), "--quick", "--opts", *opts)
    assert (code, found["backbone weights"][0]["level"]) == (1, "error")
    opts = ["BACKBONE.WEIGHTS", "IMAGENET1K_V2", "BACKBONE.NAME", "resnet50"]
    code, found = run(capsys, str(config), "--quick", "--opts", *opts)
    assert (code, found["backbone weights"][0]["level"]) == (0, "note")
    assert "are not here yet; torchvision fetches them from https://" in found["backbone weights"][0]["message"]
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(("free", "level"), [(10 << 30, "ok"), (1 << 30, "warning"), (1 << 20, "error")])
def test_free_disk(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    code, found = run(capsys, str(config), "--quick")
    assert found["disk"][0]["level"] == level
    assert code == int(level == "error")


def test_a_folder_is_examined_on_all_folds_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "usual"))
    root = with_labelme(tmp_path / "mine")
    (root / "folds.txt").write_text("mug\npen\n")
    before = sorted(root.rglob("*"))
    code, found = run(capsys, str(root), "--min-pixels", "500")
    assert found["data set"][0]["message"] == f"folder in {root}"
    assert {"fold 0 train", "fold 1 train", "fold 0 val", "fold 1 val"} <= set(found)
    assert code == 1  # four pictures are too few
    assert sorted(root.rglob("*")) == before
    assert not (tmp_path / "usual").exists()


def test_a_folder_without_known_form_is_an_error_with_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (with_coco(tmp_path / "mine") / "annotations.json").unlink()
    code, found = run(capsys, str(tmp_path / "mine"))
    assert code == 1
    assert "has pictures but no labels" in found["data set"][1]["message"]
    assert found["data set"][1]["advice"] == "see docs/your_own_data.md"


def test_data_sets_are_told_by_their_files(tmp_path: Path) -> None:
    assert data_set_in(tmp_path) == "folder"
    (tmp_path / "val2014").mkdir()
    assert data_set_in(tmp_path) == "coco"
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    assert data_set_in(tmp_path) == "pascal"


def test_a_config_that_is_none_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "x.yaml"
    assert refusal(main, [str(path)]) == (
        f"error: there is no config file {path}; give the path of a YAML file, for instance from config/"
    )
    path.write_text("DATA: {ROOTS: x}\n")
    assert refusal(main, [str(path)]) == f"error: {path}: unknown setting DATA.ROOTS; did you mean 'ROOT'?"
    assert refusal(main, [str(tmp_path), "--opts", "DATA.FOLD", "1"]) == (
        "error: --opts replaces settings of a config, but a folder was given; give the config instead"
    )
