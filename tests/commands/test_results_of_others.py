"""What is no result of a command is neither replaced nor followed by it, and its own results are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands.main import main
from sccan.files.made import RECORD
from tests.commands.conftest import Tiny
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black
from tests.segmentation.data.prepare.made_up import sbd_members, voc_members, write_tar

STORED = Path(__file__).parents[1] / "stored"
CONFIG = "config/shapes/shapes_split0.yaml"
MINE = "somebody's\n"
Refusal = Callable[..., str]
Argv = Callable[[Path, Tiny], list[str]]
"""A place and the tiny run -> a command that writes into PLACE/out."""


def _test(place: Path, tiny: Tiny) -> list[str]:
    few = ("TEST.EPISODES", "2", "TEST.SEEDS", "[1]", "TEST.BASELINES", "False")
    return ["test", "--out", str(place / "out"), "--save-predictions", *tiny.argv(*few, config=CONFIG)]


def _stored(place: Path) -> None:
    if not (place / "runs").exists():
        shutil.copytree(STORED, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("out"))
    os.chdir(place)


def _test_classifier(place: Path, tiny: Tiny) -> list[str]:
    _stored(place)
    return ["test", "--out", str(place / "out"), "--config", "runs/can_cpu_5w1s/config.yaml"]


def _visualize(place: Path, tiny: Tiny) -> list[str]:
    return ["visualize", str(tiny.run), "--first", "2", "--shown", "1", "--out", str(place / "out")]


def _evaluate(place: Path, tiny: Tiny) -> list[str]:
    if not (place / "results").exists():
        assert main([*_test(place, tiny)[:2], str(place / "results"), *_test(place, tiny)[3:]]) == 0
    files = ["--predictions", str(place / "results/predictions/seed1")]
    files += ["--manifest", str(place / "results/episodes_seed1.jsonl"), "--json", str(place / "out" / "scores.json")]
    return ["evaluate_miou", *files, *tiny.argv(config=CONFIG)]


def _episodes(place: Path, tiny: Tiny) -> list[str]:
    return ["episodes", "write", "--out", str(place / "out"), *tiny.argv(config=CONFIG)]


def _mark_one(place: Path, tiny: Tiny) -> list[str]:
    for name in "ab":
        image, mask = disc(40, 50)
        save(place / "marked" / f"{name}.jpg", image)
        save(place / "marked" / f"{name}.png", white_on_black(mask))
    model = ["--model", str(segmenter_file(place)), "--device", "cpu"]
    return ["mark-one", str(place / "marked"), "--out", str(place / "out"), "--shots", "1", "--draws", "1", *model]


def _embed(place: Path, tiny: Tiny) -> list[str]:
    save(place / "photos" / "a.jpg", disc(40, 50)[0])
    model = ["--model", str(classifier_file(place)), "--device", "cpu"]
    return ["embed", str(place / "photos"), "--out", str(place / "out" / "features.safetensors"), *model]


def _prepare(place: Path, tiny: Tiny) -> list[str]:
    write_tar(place / "voc.tar", voc_members())
    write_tar(place / "sbd.tgz", sbd_members(), "w:gz")
    archives = ["--voc", str(place / "voc.tar"), "--sbd", str(place / "sbd.tgz"), "--cache", str(place / "cache")]
    return ["prepare", "pascal", "--root", str(place / "out"), *archives, "--workers", "1"]


def _prepare_list(place: Path, tiny: Tiny) -> list[str]:
    for name in ("a.jpg", "a.png"):
        (place / "out" / name).parent.mkdir(exist_ok=True)
        (place / "out" / name).touch()
    (place / "published.txt").write_text("a.jpg a.png\n")
    return ["prepare", "list", "--root", str(place / "out"), str(place / "published.txt"), "--out", "mine.txt"]


def _prepare_words(place: Path, tiny: Tiny) -> list[str]:
    (place / "words.txt").write_text("cat 1 2\ndog 3 4\n")
    return ["prepare_words", str(place / "words.txt"), "--to", str(place / "out")]


def _prepare_classification(place: Path, tiny: Tiny) -> list[str]:
    for name in ("train/ant/1.png", "test/cow/2.png"):
        save(place / "in" / name, np.zeros((8, 8, 3), np.uint8))
    return ["prepare_classification", "--source", str(place / "in"), "--to", str(place / "out")]


def _extract_features(place: Path, tiny: Tiny) -> list[str]:
    _stored(place)
    words = ["METHOD.TASNET.FEATURES", str(place / "out")]
    return ["extract_features", "--config", "runs/tasnet_cpu_5w1s/config.yaml", "--opts", *words]


def _first_look(place: Path, tiny: Tiny) -> list[str]:
    return ["demo", "--first-look", "--output", str(place / "out")]


FEW: dict[Argv, tuple[str, ...]] = {
    _test: ("results.json", "classes.csv", "episodes_seed1.jsonl", "predictions/seed1/000001.png"),
    _test_classifier: ("results.txt", "episodes_seed1.jsonl"),
    _visualize: ("episodes.html", "worst_01.png"),
    _evaluate: ("scores.json",),
    _episodes: ("episodes_seed2.jsonl",),
    _mark_one: ("results.json", "worst.jpg"),
    _embed: ("features.safetensors",),
    _prepare: ("lists/val.txt", "lists/fss_list/val/data_list_3.txt"),
    _prepare_list: ("mine.txt",),
    _prepare_words: ("words.json", "vectors.npy"),
    _prepare_classification: ("train.labels.npy", "test.names.json"),
    _extract_features: ("test.json", "test.features.npy"),
    _first_look: ("shapes_folds.md", "first_look/photos/leaf_03.png"),
}
"""Command -> files of those it writes."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


@pytest.mark.parametrize("argv", FEW, ids=lambda argv: argv.__name__.strip("_"))
def test_a_file_of_somebody_else_stays(argv: Argv, tiny: Tiny, tmp_path: Path, refusal: Refusal) -> None:
    words, elsewhere = argv(tmp_path, tiny), tmp_path / "elsewhere"
    for name in FEW[argv]:
        target = tmp_path / "out" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(MINE)
        assert f"{target} is there and no result of this command; " in refusal(main, words)
        assert target.read_text() == MINE
        target.unlink()
    target.symlink_to(elsewhere)
    assert f"{target} is a link, and results are not written through links" in refusal(main, words)
    assert not elsewhere.exists()


@pytest.mark.parametrize("argv", [_evaluate, _prepare_list, _prepare_words, _extract_features])
def test_results_of_the_command_are_replaced_by_the_next(argv: Argv, tiny: Tiny, tmp_path: Path) -> None:
    words = argv(tmp_path, tiny)
    assert main(words) == 0
    assert (tmp_path / "out" / RECORD).is_file()
    assert main(words) == 0


def test_results_that_an_earlier_version_left_without_a_record_are_replaced(tiny: Tiny, tmp_path: Path) -> None:
    _stored(tmp_path)
    words = [*_test_classifier(tmp_path, tiny), "--opts", "TEST.EPISODES", "2"]
    shutil.copytree("runs/can_cpu_5w1s/results/can_3way_1shot", "out")
    before = Path("out/results.json").read_bytes()
    assert main(words) == 0
    assert Path("out/results.json").read_bytes() != before
