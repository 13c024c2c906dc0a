"""TasNet's phases through the commands: one command for all, killed at any; features and words that do not fit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.backbones.weights import read_state as read_weights
from sccan.classification.data.formats.prepared import write_prepared
from sccan.classification.data.splits.pictures import SPLITS
from sccan.commands import extract_features, pipeline, prepare_words
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.engine.checkpoint import read_header, read_state
from sccan.files.made import RECORD
from tests.classification.made_up import made_up_pictures
from tests.classification.noise_run import as_words, noise_options

ROOT = Path(__file__).parent.parent.parent
PRETRAIN, WORDS = (f"config/cifar_fs/tasnet_cpu_{name}.yaml" for name in ("pretrain", "5w1s"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    splits = {split: made_up_pictures((22, 20, 21, 20), (20, 20), split, split) for split in SPLITS}
    write_prepared(folder, splits, {"name": "noise", "class_list": ""})
    generator = np.random.default_rng(0)
    names = [f"{split}{number}" for split in SPLITS for number in range(4)]
    rows = [f"{name} {' '.join(map(str, generator.normal(size=6).round(4)))}\n" for name in names]
    (folder / "glove.txt").write_text("".join(rows))
    return folder


def _options(root: Path, out: Path, **more: object) -> list[str]:
    own = {
        "BACKBONE.WEIGHTS": out / "tasnet_cpu_pretrain",
        "METHOD.TASNET.FEATURES": out / "tasnet_cpu_pretrain" / "features",
        "METHOD.TASNET.WORD_SIZE": 6,
        "METHOD.TASNET.STEPS": 5,
        "TRAIN.EPISODES_PER_EPOCH": 3,
        "TRAIN.BATCH_SIZE": 8,
        "TEST.SEEDS": "[1]",
    }
    return noise_options(root, out, *as_words({**own, **more}))


def _argv(config: str, options: list[str]) -> list[str]:
    return [f"--config={config}", "--opts", *options]


@pytest.fixture(scope="module")
def done(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all phases, made by the one command."""
    out = tmp_path_factory.mktemp("runs")
    assert pipeline.main([PRETRAIN, WORDS, "--opts", *_options(root, out, **{"TRAIN.EPISODES_PER_EPOCH": 8})]) == 0
    return out


def _done_options(root: Path, done: Path, **more: object) -> list[str]:
    return _options(root, done, **{"TRAIN.EPISODES_PER_EPOCH": 8, **more})


def _result(run: Path) -> dict[str, object]:
    (path,) = run.rglob("results.json")
    return json.loads(path.read_text())


def test_one_command_runs_all_phases_and_names_made_up_words(done: Path) -> None:
    state = read_state(done / "tasnet_cpu_pretrain" / "last.pt")
    assert state["standing"]["step"] == 2 * 11  # 83 pictures by 8, the last three of them too
    folder = done / "tasnet_cpu_pretrain" / "features"
    assert {path.name for path in folder.iterdir()} == {
        *(name for split in SPLITS for name in (f"{split}.json", f"{split}.features.npy")),
        RECORD,
    }
    assert np.load(folder / "test.features.npy").shape == (83, 8)
    run = done / "tasnet_cpu_5w1s"
    assert read_header(run / "best.safetensors")["words"]["source"].startswith("stand-in word vectors")
    (text,) = run.rglob("results.txt")
    assert "3-way 1-shot, stand-in word vectors" in text.read_text()
    assert _result(run)["words"]["source"].startswith("stand-in")


def test_stored_features_give_the_numbers_of_encoded_pictures(root: Path, done: Path, tmp_path: Path) -> None:
    for name, more in (("stored", {}), ("encoded", {"METHOD.TASNET.FEATURES": ""})):
        options = _done_options(root, done, **more)
        assert test_command.main(["--out", str(tmp_path / name), *_argv(WORDS, options)]) == 0
    one, two = (_result(tmp_path / name) for name in ("stored", "encoded"))
    assert one["accuracy"] == two["accuracy"]
    for more in ({"METHOD.TASNET.CARRY_OVER": True}, {"METHOD.TASNET.TRANSDUCTIVE": True}):
        options = _done_options(root, done, **more)
        assert test_command.main(["--out", str(tmp_path / "other"), *_argv(WORDS, options)]) == 0


def test_the_pretrained_backbone_is_tested_by_class_means_and_goes_on_learning(
    root: Path, done: Path, tmp_path: Path
) -> None:
    assert test_command.main(["--out", str(tmp_path / "means"), *_argv(PRETRAIN, _done_options(root, done))]) == 0
    assert _result(tmp_path / "means")["method"] == "base_classifier"
    config = "config/cifar_fs/tasnet_prototypes_resnet12_5w1s.yaml"
    options = _done_options(root, tmp_path, **{
        "BACKBONE.WEIGHTS": done / "tasnet_cpu_pretrain",
        "BACKBONE.RESNET12_POOLED.STRIDES": "(2, 2, 2, 1)",
        "PICTURE.RESIZE": "[24]",
        "TRAIN.EPISODES_PER_EPOCH": 2,
        "TRAIN.BATCH_SIZE": 1,
        "TRAIN.EPOCHS": 1,
    })  # fmt: skip
    assert train_command.main(_argv(config, options)) == 0
    assert test_command.main(_argv(config, options)) == 0


def test_features_of_another_backbone_or_data_set_are_refused_by_name(
    root: Path, done: Path, tmp_path: Path, refusal
) -> None:
    other = tmp_path / "other.pth"
    torch.manual_seed(1)
    weights = {
        name: torch.rand_like(value) if value.is_floating_point() else value for name, value in _weights(done).items()
    }
    torch.save(weights, other)
    options = _done_options(root, done, **{"BACKBONE.WEIGHTS": other, "OUTPUT": tmp_path / "new"})
    for main in (train_command.main, extract_features.main):
        line = refusal(main, _argv(WORDS, options))
        assert "holds features of backbone resnet12_pooled" in line
        assert "is wanted" in line
    moved = tmp_path / "pictures"
    splits = {split: made_up_pictures((22, 20, 21, 21), (20, 20), split, split) for split in SPLITS}
    write_prepared(moved, splits, {"name": "other noise", "class_list": ""})
    options = _done_options(moved, done, **{"DATA.NAME": "others", "OUTPUT": tmp_path / "new"})
    line = refusal(train_command.main, _argv(WORDS, options))
    assert "holds features of data set noise" in line
    assert "but data set others" in line
    line = refusal(test_command.main, _argv(WORDS, _done_options(moved, done)))
    assert "holds features of data set noise" in line
    options = _done_options(root, done, **{"METHOD.TASNET.FEATURES": tmp_path / "none", "OUTPUT": tmp_path / "new"})
    line = refusal(train_command.main, _argv(WORDS, options))
    assert "extract them with tools/extract_features.py" in line
    assert not (tmp_path / "new").exists()


def _weights(done: Path) -> dict[str, torch.Tensor]:
    return read_weights(done / "tasnet_cpu_pretrain" / "best.safetensors")


def test_words_are_prepared_used_and_refused_where_they_do_not_fit(
    root: Path, done: Path, tmp_path: Path, refusal
) -> None:
    words, opts = tmp_path / "words", _done_options(root, done)
    argv = [str(root / "glove.txt"), "--to", str(words), "--only-for", WORDS, "--opts", *opts]
    assert prepare_words.main(argv) == 0
    assert len(json.loads((words / "words.json").read_text())["words"]) == 12
    real = _done_options(root, done, **{"METHOD.TASNET.VECTORS": words, "OUTPUT": tmp_path / "real", "TRAIN.EPOCHS": 1})
    assert train_command.main(_argv(WORDS, real)) == 0
    assert test_command.main(_argv(WORDS, real)) == 0
    assert _result(tmp_path / "real")["words"]["source"] == "glove.txt"
    assert "stand-in" not in next((tmp_path / "real").rglob("results.txt")).read_text()
    mixed = [*real, "METHOD.TASNET.VECTORS", "stand_in"]
    line = refusal(test_command.main, _argv(WORDS, mixed))
    assert "was trained with the words of glove.txt" in line
    assert "gives stand-in word vectors" in line

    fresh = [*real, "OUTPUT", str(tmp_path / "fresh"), "METHOD.TASNET.VECTORS"]
    for content, wanted in (
        ("train0 1 2 3 4 5 6\ntrain1 1 2 3\n", "line 2 has 3 numbers, but the first line has 6"),
        ("train0 1 2 3 4 5 6\ntrain1 1 2 3 4 5 x\n", "line 2 holds something that is no number"),
        ("train0 1 2 3 4 5 6\ntrain1 1 2 3 4 5 6\ntrain3 1 2 3 4 5 6\n", "no word is known of train2"),
        ("train0 1 2\ntrain1 1 2\ntrain2 1 2\ntrain3 1 2\n", "word vectors have 2 numbers, but the weights are for 6"),
    ):
        (tmp_path / "broken.txt").write_text(content)
        assert wanted in refusal(train_command.main, _argv(WORDS, [*fresh, str(tmp_path / "broken.txt")]))
    assert not (tmp_path / "fresh").exists()
    assert "give one of: a file of word vectors, --packaged" in refusal(prepare_words.main, ["--to", str(words)])


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["pretraining", "features", "words"])
def test_a_killed_command_goes_on_at_its_phase_to_the_same_numbers(
    root: Path, done: Path, tmp_path: Path, phase: str
) -> None:
    more = {"TRAIN.EPISODES_PER_EPOCH": 8, "TRAIN.SAVE_MINUTES": 0.0001}
    argv = [sys.executable, "tools/pipeline.py", PRETRAIN, WORDS, "--opts", *_options(root, tmp_path, **more)]
    pretrain, words = (tmp_path / name for name in ("tasnet_cpu_pretrain", "tasnet_cpu_5w1s"))
    begun = {
        "pretraining": lambda: (pretrain / "last.pt").is_file(),
        "features": lambda: (pretrain / "features" / "train.json").is_file(),
        "words": lambda: (words / "last.pt").is_file(),
    }[phase]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not begun():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.rglob("results.json"))
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, capture_output=True)
    for fact in ("accuracy", "checkpoint_digest"):
        assert _result(words)[fact] == _result(done / "tasnet_cpu_5w1s")[fact]
    one, two = (read_state(folder / "tasnet_cpu_5w1s" / "last.pt") for folder in (tmp_path, done))
    assert torch.equal(_flat(one["updater"]), _flat(two["updater"]))


def _flat(value: object) -> torch.Tensor:
    parts: list[torch.Tensor] = []

    def collect(item: object) -> None:
        if isinstance(item, torch.Tensor):
            parts.append(item.double().flatten())
        elif isinstance(item, dict):
            for inner in item.values():
                collect(inner)
        elif isinstance(item, list | tuple):
            for inner in item:
                collect(inner)

    collect(value)
    return torch.cat(parts)
