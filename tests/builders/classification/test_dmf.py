"""DMF from settings: a training and a test on noise, the published recipe, refusals."""

import json
from pathlib import Path

import pytest
import torch

from sccan.builders.classification.data import build_classifier, training_job
from sccan.builders.classification.testing import load_classifier
from sccan.classification.methods.dmf import PUBLISHED_NAMES
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.classification.noise_run import noise_options

CONFIG = "config/cifar_fs/dmf_cpu_5w1s.yaml"


def _options(root: Path, out: Path, *more: str) -> list[str]:
    return noise_options(root, out, "METHOD.DMF.GROUPS", "4", "OPTIM.model.WARMUP_STEPS", "2", *more)


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
        (("METHOD.DMF.SOLVER", "dopri99"), 'METHOD.DMF.SOLVER is .dopri99.: Invalid method "dopri99"'),
        (("METHOD.DMF.SOLVER", "dopri5", "METHOD.DMF.TOLERANCE", "0.0"), "METHOD.DMF.TOLERANCE is 0.0"),
        (("BACKBONE.RESNET12_POOLED.DROP_RATE", "1.0"), r"DROP_RATE is 1\.0, expected from 0 to 0\.99"),
        (("BACKBONE.RESNET12_POOLED.BLOCK_SIZE", "4"), "BLOCK_SIZE is 4, but must lie between 1 and .* is 3x3"),
        (("PICTURE.JITTER", "-0.1"), "PICTURE.JITTER is -0.1"),
    ],
)
def test_unfit_settings_are_one_clear_line(root: Path, tmp_path: Path, more: tuple[str, ...], line: str) -> None:
    with pytest.raises(InputError, match=line):
        training_job(load_config(CONFIG, _options(root, tmp_path, *more)), Runtime(torch.device("cpu")))
    assert not list(tmp_path.iterdir())
