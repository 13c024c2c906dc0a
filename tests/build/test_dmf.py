"""DMF from settings: a training and a test on noise, the published recipe, refusals."""

import json
from pathlib import Path

import pytest
import torch

from sccan.build.classification import build_classifier, training_job
from sccan.build.classification_testing import load_classifier
from sccan.build.engine import optimizer_settings
from sccan.classification.data.pictures import SPLITS
from sccan.classification.data.prepared import write_prepared
from sccan.classification.methods.dmf import PUBLISHED_NAMES
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.config import load_config
from sccan.engine.distributed import Runtime
from sccan.engine.optimizers import rate
from sccan.errors import InputError
from tests.classification.made_up import made_up_pictures

CONFIG = "config/cifar_fs/dmf_cpu_5w1s.yaml"
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
        "BACKBONE.RESNET12_POOLED.WIDTHS": "(4, 4, 6, 8)",
        "METHOD.DMF.GROUPS": 4,
        "PICTURE.SIZE": "(20, 24)",
        "EPISODE.WAYS": 3,
        "EPISODE.QUERIES": 4,
        "EPISODE.TRAIN_QUERIES": 2,
        "TRAIN.EPOCHS": 2,
        "TRAIN.EPISODES_PER_EPOCH": 4,
        "TRAIN.BATCH_SIZE": 2,
        "OPTIM.model.WARMUP_STEPS": 2,
        "VALIDATE.EPISODES": 3,
        "TEST.EPISODES": 5,
    }
    return [str(word) for pair in settings.items() for word in pair] + list(more)


def test_train_and_test_go_from_a_config_to_a_result(root: Path, tmp_path: Path) -> None:
    options = _options(root, tmp_path)
    assert train_command.main(["--config", CONFIG, "--opts", *options]) == 0
    assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
    result = json.loads((tmp_path / "dmf_cpu_5w1s" / "results" / "can_python3_3way_1shot" / "results.json").read_text())
    assert result["accuracy"]["episodes"] == 5
    assert 0 <= result["accuracy"]["mean"] <= 1


def test_a_published_checkpoint_is_read_with_its_own_number_of_base_classes(root: Path, tmp_path: Path) -> None:
    cfg = load_config(CONFIG, _options(root, tmp_path))
    source = build_classifier(cfg, 11)
    path = tmp_path / "best_model.pth.tar"
    torch.save({"state_dict": PUBLISHED_NAMES.published(source.state_dict()), "acc": 0.5, "epoch": 1}, path)
    method, _ = load_classifier(cfg, path)
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in source.state_dict().items())


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("METHOD.DMF.GROUPS", "3"), "METHOD.DMF.GROUPS is 3, but must divide the 8 channels"),
        (("METHOD.DMF.FILTER_SIZE", "2"), "METHOD.DMF.FILTER_SIZE is 2, but filters have an odd side"),
        (("BACKBONE.RESNET12_POOLED.DROP_RATE", "1.0"), "DROP_RATE is 1.0, but must lie in"),
        (("BACKBONE.RESNET12_POOLED.BLOCK_SIZE", "4"), "BLOCK_SIZE is 4, but must lie between 1 and .* is 3x3"),
        (("PICTURE.JITTER", "-0.1"), "PICTURE.JITTER is -0.1"),
    ],
)
def test_unfit_settings_are_one_clear_line(root: Path, tmp_path: Path, more: tuple[str, str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        training_job(load_config(CONFIG, _options(root, tmp_path, *more)), Runtime(torch.device("cpu")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("name", ["miniimagenet", "cifar_fs"])
def test_run_files_hold_the_published_recipe(name: str, shots: int) -> None:
    path = f"config/{name}/dmf_resnet12_5w{shots}s.yaml"
    cfg = load_config(path)
    assert (cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.QUERIES, cfg.EPISODE.TRAIN_QUERIES) == (5, shots, 15, 6)
    assert (cfg.TRAIN.EPOCHS, cfg.TRAIN.EPISODES_PER_EPOCH, cfg.TRAIN.BATCH_SIZE) == (95, 1200, 4)
    assert (cfg.PICTURE.JITTER, cfg.METHOD.DMF.GROUPS, cfg.TEST.PROTOCOL) == (0.4, 64, "can_python3")
    with torch.device("meta"):
        model = build_classifier(cfg, 64)
    (settings,) = optimizer_settings(cfg, model).values()
    assert (settings.momentum, settings.nesterov, settings.weight_decay) == (0.9, True, 5e-4)
    total = 95 * 300
    by_hand = {1: 0.35 / 1500, 750: 0.175, 1500: 0.35, 1500 + 13_500: 0.175, total: 3.5e-6}
    assert {step: rate(settings, step, total) for step in by_hand} == pytest.approx(by_hand)
    assert Path(path).read_text().startswith(f"# python train_sccan.py --config={path}\n")
