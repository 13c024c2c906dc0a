"""What `doctor` says of a folder of one's own is what the training after it says: the verdict, and every line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sccan.commands import doctor, episodes, train
from tests.predict.made_up import save

Fault = Callable[[Path], object]
HEIGHT, WIDTH = 40, 48


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight pictures of two classes, for two folds."""
    folder = tmp_path / "mine"
    for number in range(8):
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[8:30, 8:36] = 1 + number % 2
        noise = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        save(folder / "images" / f"p{number}.jpg", noise)
        save(folder / "labels" / f"p{number}.png", label)
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "folds.txt").write_text("cat\ndog\n")
    return folder


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"OUTPUT: {tmp_path}/runs\nDEVICE: cpu\nDATA: {{NAME: folder, ROOT: {root}, CACHE: {tmp_path}/cache, "
        "MIN_PIXELS: 1, WORKERS: 0}\nBACKBONE: {NAME: small, SMALL: {STEM: [4, 4, 8], WIDTHS: [8, 8, 8, 8], "
        "BLOCKS: [1, 1, 1, 1]}}\nMETHOD: {NAME: pixel_classifier}\nOPTIM: {all: {ALGORITHM: sgd, LR: 0.01}}\n"
        "TRAIN: {SIZE: [33, 33], EPOCHS: 1, BATCH_SIZE: 2, CACHE_VIEWS: 0}\nTEST: {EPISODES: 3, SEEDS: [1]}\n"
    )
    return file


def _verdict(config: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str], list[str]]:
    """Exit code of doctor, the errors, and what it tells of the folder."""
    code = doctor.main([str(config), "--json", "--workers", "1"])
    found = json.loads(capfd.readouterr().out)["findings"]
    errors = [one["message"] for one in found if one["level"] == "error"]
    return code, errors, [one["message"] for one in found if one["check"] == "folder"]


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


FAULTS: dict[str, Fault] = {
    "a label of another size": lambda root: save(root / "labels" / "p1.png", np.ones((9, 9), np.uint8)),
    "a value that is no class": lambda root: save(root / "labels" / "p1.png", np.full((HEIGHT, WIDTH), 7, np.uint8)),
    "a coloured label": lambda root: save(
        root / "labels" / "p1.png", np.eye(HEIGHT, WIDTH, dtype=np.uint8)[..., None] * np.arange(3, dtype=np.uint8)
    ),
    "a picture that is none": lambda root: (root / "images" / "p1.jpg").write_text("<html>"),
    "a picture cut off": lambda root: _cut(root / "images" / "p1.jpg"),
    "no names": lambda root: (root / "classes.txt").unlink(),
    "a background among the names": lambda root: (root / "classes.txt").write_text("background\ncat\n"),
    "a fold of no class": lambda root: (root / "folds.txt").write_text("bird\n"),
    "a list of strangers": lambda root: (root / "train.txt").write_text("p77\n"),
    "two pictures of one name": lambda root: save(root / "images" / "p1.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8)),
    "no pictures": lambda root: (root / "images").rename(root / "pictures"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda name: name.replace(" ", "_"))
def test_what_doctor_calls_an_error_keeps_the_training_from_its_end(
    fault: str, root: Path, config: Path, capfd: pytest.CaptureFixture[str], refusal: Callable[..., str]
) -> None:
    FAULTS[fault](root)
    code, errors, _ = _verdict(config, capfd)
    assert code == 1
    assert errors
    assert refusal(train.main, ["--config", str(config)])


def _deep(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    (root / "images" / "p1.jpg").unlink()
    cv2.imwrite(str(root / "images" / "p1.png"), deep)


ODD: dict[str, tuple[Fault, str]] = {
    "nothing": (lambda root: None, ""),
    "hidden twins": (lambda root: (root / "images" / "._p0.jpg").write_bytes(b"x"), "hidden or a system's own: 1"),
    "another suffix": (lambda root: (root / "images" / "notes.md").write_text("x"), "as their ending is .md: 1"),
    "no label": (lambda root: (root / "labels" / "p1.png").unlink(), "as they have no label: 1 (images/p1.jpg)"),
    "no picture": (lambda root: (root / "images" / "p1.jpg").unlink(), "no picture is called after the mask: 1"),
    "twelve bits": (_deep, ""),
}


@pytest.mark.parametrize("odd", ODD, ids=lambda name: name.replace(" ", "_"))
def test_what_doctor_notes_is_said_by_the_command_after_it(
    odd: str,
    root: Path,
    config: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    change, line = ODD[odd]
    change(root)
    code, errors, notes = _verdict(config, capfd)
    assert (code, errors) == (0, [])
    assert [line in note for note in notes] == [True] * bool(line)
    with caplog.at_level(logging.INFO):
        assert episodes.main(["write", "--config", str(config), "--out", str(tmp_path / "out")]) == 0
    assert [note for note in notes if note in caplog.messages] == notes


@pytest.mark.parametrize(
    ("opts", "line"),
    [
        (["TRAIN.BATCH_SIZE", "65536", "TRAIN.SIZE", "[4097,4097]"], "takes more than"),
        (["OPTIM.head.LR", "0.1"], "the model has"),
        (["OPTIM.all.ALGORITHM", "sdg"], "sdg"),
    ],
)
def test_settings_that_cannot_be_are_told_alike(
    opts: list[str], line: str, config: Path, capfd: pytest.CaptureFixture[str], refusal: Callable[..., str]
) -> None:
    code = doctor.main([str(config), "--json", "--workers", "1", "--quick", "--opts", *opts])
    found = json.loads(capfd.readouterr().out)["findings"]
    told = [one["message"] for one in found if one["check"] == "settings"]
    assert code == 1
    assert line in told[0]
    assert told[0] in refusal(train.main, ["--config", str(config), "--opts", *opts])


@pytest.mark.parametrize(
    ("opts", "line"),
    [
        (["METHOD.SCCAN.CHANNELS", "18", "METHOD.SCCAN.HEADS", "4"], "18 channels cannot be shared by 4 heads"),
        (["METHOD.SCCAN.MERGE_STAGES", "[layer9]"], "names 'layer9', but the backbone has layer1"),
    ],
)
def test_parts_that_do_not_fit_are_told_before_there_are_weights(
    opts: list[str], line: str, config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sccan = ["METHOD.NAME", "sccan", "DATA.ROOT", "none", *opts]
    assert doctor.main([str(config), "--json", "--workers", "1", "--quick", "--opts", *sccan]) == 1
    found = json.loads(capfd.readouterr().out)["findings"]
    assert line in next(one["message"] for one in found if one["check"] == "settings")
