"""TasNet from settings: a backbone from another run, words from a file, training, test and own pictures; refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sccan.builders.classification.class_words import wanted_words
from sccan.builders.classification.data import build_classifier, training_job
from sccan.builders.engine import optimizer_settings
from sccan.classification.data.formats.prepared import write_prepared
from sccan.classification.data.splits.pictures import SPLITS
from sccan.classification.methods.tasnet import TasNet
from sccan.commands import classify as classify_command
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.engine.distributed import Runtime
from sccan.engine.optimizers import rate
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.classification.made_up import made_up_pictures
from tests.classification.noise_run import as_words, noise_options

CONFIG = "config/cifar_fs/tasnet_resnet12_5w1s.yaml"
WIDTHS = "(4, 4, 6, 8)"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    splits = {split: made_up_pictures((22, 20, 21, 20), (20, 20), split, split) for split in SPLITS}
    write_prepared(folder, splits, {"name": "noise", "class_list": ""})
    generator = np.random.default_rng(0)
    names = [f"{split}{number}" for split in SPLITS for number in range(4)] + ["cat", "dog"]
    rows = [f"{name} {' '.join(map(str, generator.normal(size=6).round(4)))}\n" for name in names]
    (folder / "vectors.txt").write_text("".join(rows))
    cfg = load_config(
        "config/cifar_fs/dmf_resnet12_5w1s.yaml",
        [
            "BACKBONE.RESNET12_POOLED.WIDTHS",
            WIDTHS,
            "BACKBONE.RESNET12_POOLED.BLOCK_SIZE",
            "3",
            "METHOD.DMF.GROUPS",
            "4",
        ],
    )
    torch.save(build_classifier(cfg, 4).state_dict(), folder / "dmf.pth")
    return folder


def _options(root: Path, out: Path, *more: str) -> list[str]:
    own = {
        "BACKBONE.RESNET12_POOLED.BLOCK_SIZE": 3,
        "BACKBONE.WEIGHTS": root / "dmf.pth",
        "METHOD.TASNET.VECTORS": root / "vectors.txt",
        "METHOD.TASNET.FEATURES": "",
        "METHOD.TASNET.WORD_SIZE": 6,
        "METHOD.TASNET.STEPS": 5,
        "PICTURE.RESIZE": "()",
        "TRAIN.EPOCHS": 1,
        "TRAIN.EPISODES_PER_EPOCH": 3,
        "TRAIN.BATCH_SIZE": 1,
        "TEST.SEEDS": "[1]",
    }
    return noise_options(root, out, *as_words(own), *more)


def test_train_test_and_own_pictures(root: Path, tmp_path: Path) -> None:
    options = _options(root, tmp_path)
    assert train_command.main(["--config", CONFIG, "--opts", *options]) == 0
    options += ["BACKBONE.WEIGHTS", ""]  # the checkpoint holds the backbone
    assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
    (path,) = (tmp_path / "tasnet_resnet12_5w1s" / "results").rglob("results.json")
    result = json.loads(path.read_text())
    assert result["accuracy"]["episodes"] == 5
    for place in ("support/cat", "support/dog", "photos"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (24, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / place / f"{number}.png")
    words = ["--support", "support", "--images", "photos", "--out", "out", "--model", "tasnet_resnet12_5w1s"]
    words = [str(tmp_path / word) if n % 2 else word for n, word in enumerate(words)]
    words += ["--opts", "METHOD.TASNET.VECTORS", str(root / "vectors.txt")]  # a checkpoint keeps no paths
    assert classify_command.main(words) == 0
    records = json.loads((tmp_path / "out" / "classified.json").read_text())
    assert {record["class"] for record in records} <= {"cat", "dog"}


def test_a_validation_gives_back_the_words_of_the_training_classes(root: Path, tmp_path: Path) -> None:
    job = training_job(load_config(CONFIG, _options(root, tmp_path)), Runtime(torch.device("cpu")))
    assert isinstance(job.model, TasNet)
    before = job.model.class_words.clone()
    assert before.shape == (4, 6)
    assert 0 <= job.task.validate(job.model)["score"] <= 1
    assert torch.equal(job.model.class_words, before)


def test_a_file_of_names_translates_classes(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "names.txt"
    table.write_text("train0 1 cat\ntrain1 2 dog\ntrain2 3 cat\ntrain3 4 red_dog\n")
    more = ("METHOD.TASNET.NAMES", str(table))
    job = training_job(load_config(CONFIG, _options(root, tmp_path, *more)), Runtime(torch.device("cpu")))
    assert isinstance(job.model, TasNet)
    words = job.model.class_words
    assert torch.equal(words[0], words[2])
    assert torch.equal(words[1], words[3])
    with pytest.raises(InputError, match=r"names\.txt names no word for val0, val1, val2, val3"):
        job.task.validate(job.model)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("BACKBONE.WEIGHTS", ""), "BACKBONE.WEIGHTS is empty, but tasnet trains on a frozen backbone"),
        (("METHOD.TASNET.VECTORS", ""), "METHOD.TASNET.VECTORS is empty"),
        (("METHOD.TASNET.NAME_RULE", "cifra"), "NAME_RULE is 'cifra'.*did you mean 'cifar'"),
        (
            ("METHOD.TASNET.COMBINE", "fuse"),
            "COMBINE is 'fuse', expected one of fusion, concatenation; did you mean 'fusion'",
        ),
        (("METHOD.TASNET.WORD_SIZE", "5"), "word vectors have 6 numbers, but the weights are for 5"),
        (("METHOD.TASNET.STEPS", "0"), r"METHOD\.TASNET\.STEPS is 0, expected from 1"),
        (("METHOD.TASNET.NAMES", "nowhere.txt"), "NAMES nowhere.txt does not exist"),
    ],
)
def test_unfit_settings_are_one_clear_line(root: Path, tmp_path: Path, more: tuple[str, str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        training_job(load_config(CONFIG, _options(root, tmp_path, *more)), Runtime(torch.device("cpu")))
    assert not list(tmp_path.iterdir())


DATA = ("cifar_fs", "cub", "miniimagenet", "tieredimagenet")


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("backbone", ["resnet12", "wrn28"])
def test_run_files_hold_the_published_recipe_of_pretraining(name: str, backbone: str) -> None:
    path = f"config/{name}/tasnet_{backbone}_pretrain.yaml"
    cfg = load_config(path)
    assert (cfg.METHOD.NAME, cfg.TRAIN.EPOCHS, cfg.TRAIN.BATCH_SIZE) == ("base_classifier", 110, 128)
    assert (cfg.PICTURE.CROP, cfg.PICTURE.JITTER, cfg.PICTURE.ERASE, cfg.PICTURE.RESIZE) == ("resized", 0.4, 0.0, (92,))
    assert cfg.PICTURE.CONSTANTS == {"resnet12": "miniimagenet", "wrn28": "imagenet"}[backbone]
    with torch.device("meta"):
        model = build_classifier(cfg, 64)
    backbone_size = {"resnet12": 12_424_320, "wrn28": 36_482_880}[backbone]
    assert sum(p.numel() for p in model.parameters()) == backbone_size + 64 * 641
    (settings,) = optimizer_settings(cfg, model).values()
    assert (settings.momentum, settings.nesterov, settings.weight_decay) == (0.9, True, 5e-4)
    steps = 300
    for epoch in (1, 29, 30, 59, 60, 89, 90, 110):  # advanced at the start of every epoch
        for step in (steps * (epoch - 1) + 1, steps * epoch):
            assert rate(settings, step, 110 * steps) == pytest.approx(0.1 * 0.2 ** (epoch // 30))
    assert Path(path).read_text().startswith(f"# python train_sccan.py --config={path}\n")


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("backbone", ["resnet12", "wrn28"])
@pytest.mark.parametrize("shots", [1, 5])
def test_run_files_hold_the_published_recipe_of_words(name: str, backbone: str, shots: int) -> None:
    cfg = load_config(f"config/{name}/tasnet_{backbone}_5w{shots}s.yaml")
    node, far = cfg.METHOD.TASNET, name in ("cub", "tieredimagenet")
    assert (cfg.EPISODE.SHOTS, cfg.EPISODE.TRAIN_QUERIES, cfg.TRAIN.EPOCHS) == (shots, 15, 10)
    assert (cfg.BACKBONE.WEIGHTS, node.CARRY_OVER) == (f"runs/tasnet_{backbone}_pretrain", False)
    concatenation = backbone == "wrn28"
    assert (node.COMBINE, node.UNIT_FEATURES) == (
        ("concatenation", "training") if concatenation else ("fusion", "never")
    )
    assert node.COSINE == (name == "cub" or (concatenation and far))
    assert (node.FACTOR, node.EVERY) == ((0.5, 50) if concatenation and far else (0.2, 10))
    assert node.WORD_SIZE == (312 if name == "cub" else 300)
    (group,) = cfg.OPTIM.values()
    assert (group.ALGORITHM, group.LR, group.WEIGHT_DECAY, group.SHARES) == ("adam", 1e-3, 1e-4, ())


def test_classes_of_shipped_lists_are_taken_apart_by_their_words() -> None:
    cfg = load_config("config/miniimagenet/tasnet_resnet12_5w1s.yaml")
    assert wanted_words(cfg, ["n01532829", "n02089867"]) == {"house", "finch", "walker", "hound"}
    cfg = load_config("config/tieredimagenet/tasnet_resnet12_5w1s.yaml")
    assert wanted_words(cfg, ["n01532829", "n02013706", "n02281787"]) == {
        "house",
        "finch",
        "Aramus",
        "pictus",
        "lycaenid",
        "butterfly",
    }
    cfg = load_config("config/cifar_fs/tasnet_resnet12_5w1s.yaml")
    assert wanted_words(cfg, ["aquarium_fish"]) == {"aquarium", "fish"}
    cfg = load_config("config/cub/tasnet_resnet12_5w1s.yaml")
    assert wanted_words(cfg, ["001.Black_footed_Albatross"]) == {"001.Black_footed_Albatross"}


def test_what_is_carried_over_cannot_be_shared_by_processes(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, _options(root, tmp_path, "METHOD.TASNET.CARRY_OVER", "True"))
    with pytest.raises(InputError, match="which 2 processes cannot share; start one"):
        training_job(cfg, Runtime(torch.device("cpu"), rank=0, world_size=2))
