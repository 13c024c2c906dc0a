"""The run files of classification: there for every data set, method and shot, loadable, with the published recipes."""

import re
from pathlib import Path

import pytest
import torch

from sccan.builders.classification.data import augmentation, build_classifier, fixed_transform, is_classification
from sccan.builders.engine import optimizer_settings
from sccan.engine.optimizers import rate
from sccan.settings.loading import load_config

DATA = ("cifar_fs", "cub", "fc100", "miniimagenet", "tieredimagenet")
METHODS = ("amtnet", "can", "cecnet", "dmf", "spatialformer", "tsf")

CAN = (90, 300, {0: 0.1, 59: 0.1, 60: 0.006, 70: 0.0012, 80: 0.00024, 89: 0.00024})
FAMILY = (
    120,
    300,
    {0: 0.05, 19: 0.05, 20: 0.1, 89: 0.1, 90: 0.006, 99: 0.006, 100: 0.0012, 110: 0.00024, 119: 0.00024},
)
CAN_TIERED = (80, 3495, {0: 0.1, 19: 0.1, 20: 0.01, 40: 0.001, 60: 0.0001, 79: 0.0001})
FAMILY_TIERED = (100, 1747, {0: 0.05, 39: 0.05, 40: 0.01, 60: 0.001, 80: 0.0001, 99: 0.0001})
DMF = (95, 300, 0.35, 1500)
DMF_TIERED = (85, 3495, 0.05, 17_475)


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", DATA)
def test_every_method_has_a_run_file_for_every_data_set(data: str, method: str, shots: int) -> None:
    path = f"config/{data}/{method}_resnet12_5w{shots}s.yaml"
    cfg = load_config(path)
    assert is_classification(cfg)
    assert (cfg.METHOD.NAME, cfg.DATA.NAME) == (method, data)
    assert (cfg.EPISODE.WAYS, cfg.EPISODE.SHOTS, cfg.EPISODE.QUERIES, cfg.EPISODE.TRAIN_QUERIES) == (5, shots, 15, 6)
    tiered = data == "tieredimagenet"
    assert cfg.TRAIN.EPISODES_PER_EPOCH == (13980 if tiered else 1200)
    assert cfg.TRAIN.BATCH_SIZE == (8 if tiered and method not in ("can", "dmf") else 4)
    transform, random_part = fixed_transform(cfg), augmentation(cfg)
    assert (transform.size, transform.constants) == ((84, 84), "imagenet")
    assert random_part.jitter == (0.0 if method == "can" else 0.4)  # CAN alone leaves the colours as they are
    assert (random_part.flip, random_part.erase, random_part.pad) == (0.5, 0.5, 8)
    assert random_part.crop == ("resized" if tiered and method == "dmf" else "padded")
    assert transform.resize == ((92, 92) if tiered and method == "dmf" else None)
    header = " ".join(line for line in Path(path).read_text().splitlines() if line.startswith("#"))
    assert header.startswith(f"# python train_sccan.py --config={path} ")
    assert re.search(r"Published[^:]*: [\d.]+|No published score .*at hand", header)


@pytest.mark.parametrize(
    ("path", "recipe"),
    [
        *((f"{data}/can_resnet12_5w5s", CAN) for data in DATA[:4]),
        *((f"{data}/tsf_resnet12_5w1s", FAMILY) for data in DATA[:4]),
        ("tieredimagenet/can_resnet12_5w1s", CAN_TIERED),
        ("tieredimagenet/cecnet_resnet12_5w5s", FAMILY_TIERED),
    ],
)
def test_rates_are_those_of_the_published_tables(path: str, recipe: tuple[int, int, dict[int, float]]) -> None:
    cfg = load_config(f"config/{path}.yaml")
    epochs, steps, table = recipe
    assert cfg.TRAIN.EPOCHS == epochs
    assert cfg.TRAIN.EPISODES_PER_EPOCH // cfg.TRAIN.BATCH_SIZE == steps
    with torch.device("meta"):
        settings = optimizer_settings(cfg, build_classifier(cfg, 3))["model"]
    assert (settings.momentum, settings.nesterov, settings.weight_decay) == (0.9, True, 5e-4)
    for epoch, lr in table.items():  # the first and the last step of the epoch
        assert rate(settings, epoch * steps + 1, epochs * steps) == pytest.approx(lr)
        assert rate(settings, (epoch + 1) * steps, epochs * steps) == pytest.approx(lr)


@pytest.mark.parametrize(("data", "recipe"), [*((data, DMF) for data in DATA[:4]), ("tieredimagenet", DMF_TIERED)])
def test_dmfs_rates_rise_for_five_epochs_and_fall_as_half_a_cosine(
    data: str, recipe: tuple[int, int, float, int]
) -> None:
    cfg = load_config(f"config/{data}/dmf_resnet12_5w1s.yaml")
    epochs, steps, base, rise = recipe
    assert (cfg.TRAIN.EPOCHS, cfg.TRAIN.EPISODES_PER_EPOCH // 4, cfg.METHOD.DMF.GROUPS) == (epochs, steps, 64)
    with torch.device("meta"):
        (settings,) = optimizer_settings(cfg, build_classifier(cfg, 64)).values()
    assert (settings.momentum, settings.nesterov, settings.weight_decay) == (0.9, True, 5e-4)
    total = epochs * steps
    middle = rise + (total - rise) // 2
    by_hand = {1: base / rise, rise: base, middle: base / 2, total: base * 1e-5}
    for step, want in by_hand.items():
        assert rate(settings, step, total) == pytest.approx(want, rel=1e-3)
