"""Of two commands that would write into one folder the second is refused in one line, and nothing there changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands.main import main
from sccan.files.alone import alone_in
from tests.commands.conftest import Tiny
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black
from tests.segmentation.data.prepare.made_up import sbd_members, voc_members, write_tar

STORED = Path(__file__).parents[1] / "stored"
CONFIG = "config/shapes/shapes_split0.yaml"
Refusal = Callable[..., str]
Argv = Callable[[Path, Tiny], list[str]]
"""A place and the tiny run -> a command that writes into PLACE/out."""


def _segment(place: Path, tiny: Tiny) -> list[str]:
    image, mask = disc(40, 50)
    save(place / "examples" / "a.jpg", image)
    save(place / "examples" / "a.png", white_on_black(mask))
    places = ["--support", str(place / "examples"), "--images", str(place / "examples"), "--out", str(place / "out")]
    return ["segment", "--model", str(segmenter_file(place)), *places, "--device", "cpu"]


def _classify(place: Path, tiny: Tiny) -> list[str]:
    for number, name in enumerate(("cat", "dog")):
        save(place / "kinds" / name / "1.jpg", np.full((30, 40, 3), 200 * number, np.uint8))
    places = ["--support", str(place / "kinds"), "--images", str(place / "kinds"), "--out", str(place / "out")]
    return ["classify", "--model", str(classifier_file(place)), *places, "--device", "cpu"]


def _prepare(place: Path, tiny: Tiny) -> list[str]:
    write_tar(place / "voc.tar", voc_members())
    write_tar(place / "sbd.tgz", sbd_members(), "w:gz")
    archives = ["--voc", str(place / "voc.tar"), "--sbd", str(place / "sbd.tgz")]
    return ["prepare", "pascal", "--root", str(place / "out"), *archives, "--workers", "1"]


def _prepare_classification(place: Path, tiny: Tiny) -> list[str]:
    for name in ("train/ant/1.png", "test/cow/2.png"):
        save(place / "in" / name, np.zeros((8, 8, 3), np.uint8))
    return ["prepare_classification", "--source", str(place / "in"), "--to", str(place / "out")]


def _prepare_words(place: Path, tiny: Tiny) -> list[str]:
    (place / "words.txt").write_text("cat 1 2\ndog 3 4\n")
    return ["prepare_words", str(place / "words.txt"), "--to", str(place / "out")]


def _generate_shapes(place: Path, tiny: Tiny) -> list[str]:
    return ["generate_shapes", str(place / "out"), "--train", "8", "--test", "8", "--size", "65", "--workers", "1"]


def _episodes(place: Path, tiny: Tiny) -> list[str]:
    return ["episodes", "write", "--out", str(place / "out"), *tiny.argv(config=CONFIG)]


def _test(place: Path, tiny: Tiny) -> list[str]:
    return ["test", "--out", str(place / "out"), *tiny.argv("TEST.EPISODES", "2", "TEST.SEEDS", "[1]", config=CONFIG)]


def _extract_features(place: Path, tiny: Tiny) -> list[str]:
    shutil.copytree(STORED / "data", place / "data")
    shutil.copytree(STORED / "runs", place / "runs")
    (place / "data" / "features").rename(place / "out")
    os.chdir(place)
    return [
        "extract_features",
        "--config",
        "runs/tasnet_cpu_5w1s/config.yaml",
        "--opts",
        "METHOD.TASNET.FEATURES",
        "out",
    ]


def _visualize(place: Path, tiny: Tiny) -> list[str]:
    return ["visualize", str(tiny.run), "--first", "2", "--shown", "1", "--out", str(place / "out")]


def _mark_one(place: Path, tiny: Tiny) -> list[str]:
    for name in "ab":
        image, mask = disc(40, 50)
        save(place / "marked" / f"{name}.jpg", image)
        save(place / "marked" / f"{name}.png", white_on_black(mask))
    few = ["--shots", "1", "--draws", "1", "--model", str(segmenter_file(place)), "--device", "cpu"]
    return ["mark-one", str(place / "marked"), "--out", str(place / "out"), *few]


COMMANDS: list[Argv] = [
    *(_segment, _classify, _prepare, _prepare_classification, _prepare_words, _generate_shapes, _episodes, _test),
    *(_extract_features, _visualize, _mark_one),
]


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv.__name__.strip("_"))
def test_the_second_of_two_is_refused(
    argv: Argv, tiny: Tiny, tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    words = argv(tmp_path, tiny)
    out = tmp_path / "out"
    with alone_in(out):
        before = sorted(out.rglob("*"))
        line = refusal(main, words)
        assert (
            f"{out.name} now (process {os.getpid()}); wait for it to end or stop it, or choose another folder" in line
        )
        assert sorted(out.rglob("*")) == before
    assert main(words) == 0
