"""Disks that take nothing more, folders that vanish and workers that are killed: one line, and nothing half-written."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sccan.commands.main import main
from tests.commands.conftest import Tiny
from tests.files.short_files import files_up_to
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black
from tests.published_files import save_published, small_model

CONFIG = "config/shapes/shapes_split0.yaml"
Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"segment": segmenter_file(folder), "classify": classifier_file(folder)}


def _segment(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    image, mask = disc(60, 80)
    save(place / "examples" / "a.jpg", image)
    save(place / "examples" / "a.png", white_on_black(mask))
    save(place / "photos" / "a.png", disc(300, 400)[0])
    places = ["--support", str(place / "examples"), "--images", str(place / "photos"), "--out", str(place / "out")]
    return ["segment", "--model", str(models["segment"]), *places, "--device", "cpu", "--report"]


def _classify(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    for number, name in enumerate(("cat", "dog")):
        save(place / "kinds" / name / "1.png", disc(200, 200, seed=number)[0])
    places = ["--support", str(place / "kinds"), "--images", str(place / "kinds"), "--out", str(place / "out")]
    return ["classify", "--model", str(models["classify"]), *places, "--device", "cpu", "--sort"]


def _prepare_classification(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    for number, name in enumerate(("train/ant/1.png", "test/cow/2.png")):
        save(place / "in" / name, disc(64, 64, seed=number)[0])
    return ["prepare_classification", "--source", str(place / "in"), "--to", str(place / "out")]


def _prepare_words(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    place.mkdir(exist_ok=True)
    (place / "words.txt").write_text("".join(f"word{number} {' '.join(['0.5'] * 30)}\n" for number in range(100)))
    return ["prepare_words", str(place / "words.txt"), "--to", str(place / "out")]


def _generate_shapes(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    return ["generate_shapes", str(place / "out"), "--train", "8", "--test", "8", "--size", "128", "--workers", "1"]


def _episodes(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    return ["episodes", "write", "--out", str(place / "out"), *tiny.argv("TEST.EPISODES", "90", config=CONFIG)]


def _test(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    return ["test", "--out", str(place / "out"), *tiny.argv("TEST.EPISODES", "3", "TEST.SEEDS", "[1]", config=CONFIG)]


def _train(place: Path, models: dict[str, Path], tiny: Tiny) -> list[str]:
    return ["train", *tiny.argv("OUTPUT", str(place / "out"), "TRAIN.SIZE", "[33,33]", config=CONFIG)]


COMMANDS = [
    *(_segment, _classify, _prepare_classification, _prepare_words, _generate_shapes, _episodes),
    *(pytest.param(argv, marks=pytest.mark.slow) for argv in (_test, _train)),
]


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv.__name__.strip("_"))
def test_a_full_disk_is_one_line_and_the_command_works_once_there_is_room(
    argv: Callable[..., list[str]], models: dict[str, Path], tiny: Tiny, tmp_path: Path, refusal: Refusal
) -> None:
    words = argv(tmp_path, models, tiny)
    with files_up_to(1 << 10):
        line = refusal(main, words)
    assert "cannot" in line
    assert "files may not grow so large here" in line or "free some disk space" in line
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".partial")]
    again = ["--resume"] if words[0] == "train" and list(tmp_path.rglob("settings.json")) else []
    assert main([words[0], *again, *words[1:]]) == 0


def test_a_conversion_that_does_not_fit_is_one_line(tmp_path: Path, refusal: Refusal) -> None:
    source = save_published(tmp_path / "sccan.pth", "sccan", small_model("sccan"))
    with files_up_to(1 << 10):
        line = refusal(main, ["convert_checkpoint", str(source), "--out", str(tmp_path / "new.safetensors")])
    assert "cannot write" in line
    assert not (tmp_path / "new.safetensors").exists()


@contextlib.contextmanager
def _removed_when(there: Path, folder: Path) -> Iterator[None]:
    """In the block, a folder is removed as soon as a file of it is there."""
    over = threading.Event()

    def wait() -> None:
        while not over.is_set() and not there.exists():
            time.sleep(0.001)
        shutil.rmtree(folder, ignore_errors=True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    yield
    over.set()
    waiting.join()


def test_a_run_folder_that_vanishes_is_one_line(tiny: Tiny, tmp_path: Path, refusal: Refusal) -> None:
    run = tmp_path / "shapes_split0"
    more = ["TRAIN.SIZE", "[33,33]", "TRAIN.EPOCHS", "6", "TRAIN.LOG_EVERY", "1"]
    with _removed_when(run / "log.jsonl", run):
        line = refusal(main, ["train", *tiny.argv("OUTPUT", str(tmp_path), *more, config=CONFIG)])
    assert str(run) in line
    assert "removed" in line
    assert not run.exists()


def test_results_whose_folder_vanishes_are_one_line(
    models: dict[str, Path], tiny: Tiny, tmp_path: Path, refusal: Refusal
) -> None:
    argv = _segment(tmp_path, models, tiny)
    for number in range(20):
        save(tmp_path / "photos" / f"{number}.png", np.zeros((60, 80, 3), np.uint8))
    with _removed_when(tmp_path / "out" / "overlays" / "0.jpg", tmp_path / "out"):
        line = refusal(main, argv)
    assert str(tmp_path / "out") in line
