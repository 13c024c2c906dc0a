"""Classification from settings to a result, on a data set of noise that takes seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sccan.backbones.weights import read_state
from sccan.builders.classification.data import build_classifier, training_job
from sccan.builders.classification.testing import load_classifier, open_classification_test, run_classification_test
from sccan.classification.data.splits.pictures import SPLITS
from sccan.classification.methods.can import PUBLISHED_NAMES
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.classification.made_up import noise_picture
from tests.classification.noise_run import noise_options

CONFIG = "config/cifar_fs/can_cpu_5w1s.yaml"
CPU = Runtime(torch.device("cpu"))


def test_train_and_test_go_from_a_config_to_a_result_that_can_be_replayed(root: Path, tmp_path: Path) -> None:
    options = noise_options(root, tmp_path)
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


@pytest.mark.parametrize("crop", ["padded", "resized"])
def test_pixels_on_the_device_give_the_same_training(crop: str, root: Path, tmp_path: Path) -> None:
    states = []
    for name, kept in (("read", "False"), ("kept", "True")):
        more = ("DATA.ON_DEVICE", kept, "VALIDATE.EVERY", "0", "PICTURE.CROP", crop, "PICTURE.JITTER", "0.4")
        assert train_command.main(["--config", CONFIG, "--opts", *noise_options(root, tmp_path / name, *more)]) == 0
        states.append(read_state(tmp_path / name / "can_cpu_5w1s" / "best.safetensors"))
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kept", ["False", "True"])
def test_batches_from_a_step_on_are_those_of_the_whole_epoch(
    workers: int, kept: str, root: Path, tmp_path: Path
) -> None:
    more = ("DATA.ON_DEVICE", kept, "DATA.WORKERS", str(workers), "PICTURE.CROP", "resized", "PICTURE.JITTER", "0.4")
    task = training_job(load_config(CONFIG, noise_options(root, tmp_path, *more)), CPU).task
    assert task.steps_per_epoch == 2
    whole = [task.prepare(batch, CPU.device) for batch in task.batches(3, 0)]
    rest = [task.prepare(batch, CPU.device) for batch in task.batches(3, 1)]
    assert len(rest) == 1
    for field in ("support_images", "query_images", "classes", "numbers"):
        assert torch.equal(getattr(rest[0], field), getattr(whole[1], field))
        assert not torch.equal(getattr(whole[0], field), getattr(whole[1], field))


def test_files_of_different_sizes_are_trained_and_tested_with_resized_crops(tmp_path: Path) -> None:
    for split in SPLITS:
        for number, name in enumerate(("ant", "bee", "cow")):
            for picture in range(5):
                path = tmp_path / "in" / split / f"{split}_{name}" / f"{picture}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noise_picture(30 + number, 48 - picture, picture)).save(path)
    crops = ("PICTURE.CROP", "resized", "PICTURE.RESIZE", "[26]", "PICTURE.FILTER", "bilinear", "PICTURE.JITTER", "0.4")
    more = ("DATA.ON_DEVICE", "False", "DATA.WORKERS", "2", "TRAIN.EPOCHS", "1", "TEST.PROTOCOL", "uniform")
    options = noise_options(tmp_path / "in", tmp_path, *crops, *more)
    assert train_command.main(["--config", CONFIG, "--opts", *options]) == 0
    assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
    (result,) = tmp_path.rglob("results.json")
    picture = json.loads(result.read_text())["picture"]
    assert (picture["size"], picture["resize"], picture["filter"]) == ([20, 24], [26], "bilinear")


def test_a_training_stopped_again_and_again_resumes_to_the_same_bits(root: Path, tmp_path: Path) -> None:
    more = ("DATA.ON_DEVICE", "True", "PICTURE.JITTER", "0.4", "VALIDATE.EVERY", "1.0")
    whole = noise_options(root, tmp_path / "whole", *more)
    assert train_command.main(["--config", CONFIG, "--opts", *whole]) == 0
    parts = noise_options(root, tmp_path / "parts", *more, "TRAIN.MAX_MINUTES", "0.00001")
    codes = [train_command.main(["--config", CONFIG, "--opts", *parts])]
    while codes[-1] == 3:
        assert len(codes) < 10
        codes.append(train_command.main(["--config", CONFIG, "--resume", "--opts", *parts]))
    assert codes[-1] == 0
    assert len(codes) > 2
    one, two = (read_state(tmp_path / name / "can_cpu_5w1s" / "best.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_features_kept_and_features_computed_anew_give_the_same_rows(root: Path, tmp_path: Path) -> None:
    options = noise_options(root, tmp_path, "TEST.EPISODES", "40")
    weights = tmp_path / "weights.pth"
    torch.save(build_classifier(load_config(CONFIG, options), 6).state_dict(), weights)
    for transductive in ("False", "True"):
        rows = []
        for gigabytes in ("4.0", "0.0"):
            more = ["TEST.CACHE_GB", gigabytes, "METHOD.CAN.TRANSDUCTIVE", transductive]
            cfg = load_config(CONFIG, [*options, *more])
            result = run_classification_test(cfg, CPU, open_classification_test(cfg, CPU, weights=str(weights)))
            rows.append(result.seeds[0].rows)
        assert rows[0].shape[0] == 40
        assert torch.equal(*rows)
        assert len(set(rows[0][:, 1].tolist())) > 1  # episodes do differ


def test_a_published_checkpoint_is_tested_with_its_own_number_of_base_classes(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, noise_options(root, tmp_path, "TEST.PROTOCOL", "uniform", "TEST.SEEDS", "[1, 2]"))
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
    cfg = load_config(CONFIG, noise_options(root, tmp_path))
    before = torch.get_rng_state()
    one, same = build_classifier(cfg, 5).state_dict(), build_classifier(cfg, 5).state_dict()
    other = build_classifier(load_config(CONFIG, noise_options(root, tmp_path, "SEED", "9")), 5).state_dict()
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
        training_job(load_config(CONFIG, noise_options(root, tmp_path, *more)), CPU)
    assert not list(tmp_path.iterdir())


def test_an_unknown_protocol_is_refused_with_the_nearest_name(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, noise_options(root, tmp_path, "TEST.PROTOCOL", "can_pyton3"))
    path = tmp_path / "weights.pth"
    torch.save(build_classifier(cfg, 5).state_dict(), path)
    with pytest.raises(InputError, match="did you mean 'can_python3'"):
        open_classification_test(cfg, CPU, weights=str(path))
