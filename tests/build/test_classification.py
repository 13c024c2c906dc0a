"""Classification from settings to a result, on a data set of noise that takes seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.backbones.weights import read_state
from sccan.build.classification import build_classifier, is_classification, training_job
from sccan.build.classification_testing import load_classifier, open_classification_test, run_classification_test
from sccan.build.engine import optimizer_settings
from sccan.classification.data.pictures import SPLITS
from sccan.classification.data.prepared import write_prepared
from sccan.classification.methods.can import PUBLISHED_NAMES
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.config import load_config
from sccan.engine.distributed import Runtime
from sccan.engine.optimizers import rate
from sccan.errors import InputError
from tests.classification.made_up import made_up_pictures

CONFIG = "config/cifar_fs/can_cpu_5w1s.yaml"
CPU = Runtime(torch.device("cpu"))
SIZES = (7, 9, 8, 7, 10, 12)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    splits = {split: made_up_pictures(SIZES[: 6 - n], (20, 20), split, split) for n, split in enumerate(SPLITS)}
    write_prepared(folder, splits, {"name": "noise", "class_list": ""})
    return folder


def _options(root: Path, out: Path, *more: str) -> list[str]:
    settings = {
        "DATA.ROOT": root,
        "DATA.NAME": "noise",
        "DATA.CLASS_LIST": "",
        "DATA.WORKERS": 0,
        "OUTPUT": out,
        "DEVICE": "cpu",
        "BACKBONE.RESNET12.STEM": 4,
        "BACKBONE.RESNET12.WIDTHS": "(4, 4, 6, 8)",
        "PICTURE.SIZE": "(20, 24)",
        "EPISODE.WAYS": 3,
        "EPISODE.QUERIES": 4,
        "EPISODE.TRAIN_QUERIES": 2,
        "TRAIN.EPOCHS": 2,
        "TRAIN.EPISODES_PER_EPOCH": 4,
        "TRAIN.BATCH_SIZE": 2,
        "VALIDATE.EPISODES": 3,
        "TEST.EPISODES": 5,
        "TEST.BATCH_SIZE": 2,
    }
    return [str(word) for pair in settings.items() for word in pair] + list(more)


def test_train_and_test_go_from_a_config_to_a_result_that_can_be_replayed(root: Path, tmp_path: Path) -> None:
    options = _options(root, tmp_path)
    assert train_command.main(["--config", CONFIG, "--opts", *options]) == 0
    run = tmp_path / "can_cpu_5w1s"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation" in line] == [2, 4]
    assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
    folder = run / "results" / "can_3way_1shot"
    first = json.loads((folder / "results.json").read_text())
    assert first["accuracy"]["episodes"] == 5
    assert 0 <= first["accuracy"]["mean"] <= 1
    assert first["selection"] == "accuracy on episodes of the validation split"
    assert first["seeds"] == [112]
    rows = np.loadtxt(folder / "episodes.csv", delimiter=",", skiprows=1)
    assert rows[:, 3].tolist() == [12.0] * 5
    assert first["accuracy"]["mean"] == pytest.approx((rows[:, 2] / rows[:, 3]).mean())
    manifest = str(folder / "episodes_seed112.jsonl")
    again = tmp_path / "again"
    assert test_command.main(["--config", CONFIG, "--manifest", manifest, "--out", str(again), "--opts", *options]) == 0
    second = json.loads((again / "results.json").read_text())
    assert second["manifests"] == first["manifests"]
    assert second["accuracy"] == first["accuracy"]
    with pytest.raises(InputError, match=r"is a checkpoint of picture .* choose the config or the checkpoint to match"):
        test_command.main(["--config", CONFIG, "--opts", *options, "PICTURE.FILTER", "bilinear"])


def test_pixels_on_the_device_give_the_same_training(root: Path, tmp_path: Path) -> None:
    states = []
    for name, kept in (("read", "False"), ("kept", "True")):
        options = _options(root, tmp_path / name, "DATA.ON_DEVICE", kept, "VALIDATE.EVERY", "0")
        assert train_command.main(["--config", CONFIG, "--opts", *options]) == 0
        states.append(read_state(tmp_path / name / "can_cpu_5w1s" / "best.safetensors"))
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_published_checkpoint_is_tested_with_its_own_number_of_base_classes(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, _options(root, tmp_path, "TEST.PROTOCOL", "uniform", "TEST.SEEDS", "[1, 2]"))
    source = build_classifier(cfg, 11)
    path = tmp_path / "best_model.pth.tar"
    torch.save({"state_dict": PUBLISHED_NAMES.published(source.state_dict()), "acc": 0.5, "epoch": 1}, path)
    result = run_classification_test(cfg, CPU, open_classification_test(cfg, CPU, weights=str(path)))
    assert result.accuracy.episodes == 10
    assert [seed.seed for seed in result.seeds] == [1, 2]
    assert result.facts["selection"] == "unknown (the checkpoint does not say)"
    torch.save({"state_dict": {"a": torch.zeros(2)}}, path)
    with pytest.raises(InputError, match=r"is no checkpoint of can: it holds no classifier\.weight"):
        load_classifier(cfg, path)


def test_initial_weights_follow_the_seed_and_leave_the_global_generator_alone(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, _options(root, tmp_path))
    before = torch.get_rng_state()
    one, same = build_classifier(cfg, 5).state_dict(), build_classifier(cfg, 5).state_dict()
    other = build_classifier(load_config(CONFIG, _options(root, tmp_path, "SEED", "9")), 5).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["backbone.conv1.weight"], other["backbone.conv1.weight"])


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("EPISODE.WAYS", "7"), "has 6 classes, but EPISODE.WAYS is 7"),
        (("EPISODE.TRAIN_QUERIES", "7"), r"has 7 images of class 1 \(train0\).* but 1 shots and 7 queries need 8"),
        (("VALIDATE.SELECT_ON", "base"), "VALIDATE.SELECT_ON is 'base', expected val or test"),
        (("TRAIN.EPISODES_PER_EPOCH", "0"), "classification draws episodes freely"),
        (("BACKBONE.NAME", "resnet50"), "expected conv4, resnet12, .* for classification"),
        (("METHOD.CAN.SHARE", "0.0"), "METHOD.CAN.SHARE is 0.0"),
        (("DATA.ROOT", ""), "DATA.ROOT is empty"),
        (("DATA.CLASS_LIST", "fc100"), "does not hold the classes that fc100 lists"),
    ],
)
def test_unfit_settings_are_one_clear_line(root: Path, tmp_path: Path, more: tuple[str, str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        training_job(load_config(CONFIG, _options(root, tmp_path, *more)), CPU)
    assert not list(tmp_path.iterdir())


def test_an_unknown_protocol_is_refused_with_the_nearest_name(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, _options(root, tmp_path, "TEST.PROTOCOL", "can_pyton3"))
    path = tmp_path / "weights.pth"
    torch.save(build_classifier(cfg, 5).state_dict(), path)
    with pytest.raises(InputError, match="did you mean 'can_python3'"):
        open_classification_test(cfg, CPU, weights=str(path))


RECIPES = {
    "miniimagenet": (90, 1200, [(0, 0.1), (59, 0.1), (60, 0.006), (70, 0.0012), (80, 0.00024), (89, 0.00024)]),
    "cifar_fs": (90, 1200, [(0, 0.1), (60, 0.006), (70, 0.0012), (80, 0.00024)]),
    "cub": (90, 1200, [(0, 0.1), (60, 0.006), (70, 0.0012), (80, 0.00024)]),
    "tieredimagenet": (80, 13980, [(0, 0.1), (19, 0.1), (20, 0.01), (40, 0.001), (60, 0.0001), (79, 0.0001)]),
}


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("name", RECIPES)
def test_run_files_hold_the_published_recipe(name: str, shots: int) -> None:
    path = f"config/{name}/can_resnet12_5w{shots}s.yaml"
    cfg = load_config(path)
    epochs, episodes, table = RECIPES[name]
    assert is_classification(cfg)
    assert (cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.QUERIES, cfg.EPISODE.TRAIN_QUERIES) == (5, shots, 15, 6)
    assert (cfg.TRAIN.EPOCHS, cfg.TRAIN.EPISODES_PER_EPOCH, cfg.TRAIN.BATCH_SIZE) == (epochs, episodes, 4)
    (settings,) = optimizer_settings(cfg, build_classifier(cfg, 3)).values()
    assert (settings.momentum, settings.nesterov, settings.weight_decay) == (0.9, True, 5e-4)
    steps = episodes // 4
    for epoch, lr in table:  # the first and the last step of the epoch
        assert rate(settings, epoch * steps + 1, epochs * steps) == pytest.approx(lr)
        assert rate(settings, (epoch + 1) * steps, epochs * steps) == pytest.approx(lr)
    assert Path(path).read_text().startswith(f"# python train_sccan.py --config={path}\n")
