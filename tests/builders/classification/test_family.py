"""tSF and its relatives from a run file to a result, and settings that cannot be."""

import json
from pathlib import Path

import pytest
import torch

from sccan.builders.classification.data import build_classifier
from sccan.builders.classification.models import NAME_TABLES
from sccan.builders.classification.testing import load_classifier
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.classification.noise_run import noise_options

METHODS = ("amtnet", "cecnet", "spatialformer", "tsf")


def _options(root: Path, out: Path, *more: str) -> list[str]:
    square = ("PICTURE.SIZE", "(20, 20)", "PICTURE.PAD", "2")
    return noise_options(root, out, *square, "TRAIN.EPOCHS", "1", "VALIDATE.EVERY", "1.0", "TEST.EPISODES", "4", *more)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_from_a_run_file_to_a_result(method: str, root: Path, tmp_path: Path) -> None:
    config = f"config/cifar_fs/{method}_resnet12_5w1s.yaml"
    options = _options(root, tmp_path)
    assert train_command.main(["--config", config, "--opts", *options]) == 0
    more = ["METHOD.SPATIALFORMER.NOVEL_TASK", "False"] if method == "spatialformer" else []
    assert test_command.main(["--config", config, "--opts", *options, *more]) == 0
    (result,) = tmp_path.rglob("results.json")
    found = json.loads(result.read_text())
    assert found["method"] == method
    assert found["accuracy"]["episodes"] == 4


def test_a_trained_amtnet_teaches_another(root: Path, tmp_path: Path) -> None:
    config = "config/cifar_fs/amtnet_resnet12_5w1s.yaml"
    options = _options(root, tmp_path, "VALIDATE.EVERY", "0")
    assert train_command.main(["--config", config, "--opts", *options]) == 0
    teacher = str(tmp_path / "amtnet_resnet12_5w1s" / "best.safetensors")
    more = ("NAME", "student", "METHOD.AMTNET.TEACHER", teacher, "TRAIN.LOG_EVERY", "1")
    assert train_command.main(["--config", config, "--opts", *options, *more]) == 0
    assert "distillation" in (tmp_path / "student" / "log.jsonl").read_text()
    wrong = ("NAME", "other", "METHOD.AMTNET.TEACHER_BACKBONE", "conv4")
    with pytest.raises(InputError, match="does not fit the model"):
        train_command.main(["--config", config, "--opts", *options, *more, *wrong])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backbone", ["conv4", "wrn28_10", "resnet12_pooled"])
def test_every_method_takes_every_backbone_and_published_checkpoints(
    method: str, backbone: str, root: Path, tmp_path: Path
) -> None:
    config = f"config/miniimagenet/{method}_resnet12_5w5s.yaml"
    more = ("BACKBONE.NAME", backbone, "BACKBONE.CONV4.WIDTHS", "(4, 4, 8, 8)", "PICTURE.SIZE", "(36, 36)")
    cfg = load_config(config, _options(root, tmp_path, *more))
    if backbone == "wrn28_10":  # of one size only, and large
        assert list(build_classifier(cfg, 5).backbone.stages)[-1] == "pooled"
        return
    source = build_classifier(cfg, 11)
    path = tmp_path / "best_model.pth.tar"
    published = NAME_TABLES[method].published(source.state_dict())
    published = {name: value for name, value in published.items() if not name.endswith(LEARNED_WEIGHTS[1:])}
    torch.save({"state_dict": {f"module.{n}": v for n, v in published.items()}, "acc": 0.5, "epoch": 1}, path)
    loaded, _ = load_classifier(cfg, path)
    assert torch.equal(loaded.tasks.classifier.weight, source.tasks.classifier.weight)
    with torch.inference_mode():
        assert torch.isfinite(next(iter(loaded.eval().encode(torch.randn(2, 3, 36, 36)).maps.values()))).all()


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("tsf", ("METHOD.TASKS.LEARNED_WEIGHTS", "True"), "METHOD.TASKS.ROTATION is False; switch both"),
        ("tsf", ("METHOD.TSF.HEADS", "3"), "METHOD.TSF.HEADS is 3, but must divide the 8 channels"),
        ("spatialformer", ("PICTURE.SIZE", "(20, 24)"), "turns pictures, which must be square"),
        (
            "spatialformer",
            ("METHOD.SPATIALFORMER.SUPPORTS_FOR_PROTOTYPES", "True", "EPISODE.SHOTS", "5"),
            "works with one shot, but EPISODE.SHOTS is 5",
        ),
        ("amtnet", ("METHOD.AMTNET.PATCH_VOTE", "sometimes"), "expected one of auto, always, never"),
        ("cecnet", ("METHOD.CECNET.CLUSTER", "gnc"), "did you mean 'gcn'"),
        ("cecnet", ("METHOD.CECNET.CONNECT", "many"), "expected one of one_to_one, one_to_many"),
        ("cecnet", ("BACKBONE.RESNET12.WIDTHS", "(4, 4, 6, 6)"), "CLUSTER transformer needs 4 heads"),
    ],
)
def test_unfit_settings_are_one_clear_line(
    method: str, more: tuple[str, ...], message: str, root: Path, tmp_path: Path
) -> None:
    cfg = load_config(f"config/cifar_fs/{method}_resnet12_5w1s.yaml", _options(root, tmp_path, *more))
    with pytest.raises(InputError, match=message):
        build_classifier(cfg, 5)
