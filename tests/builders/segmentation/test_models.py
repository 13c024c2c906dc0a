"""Backbones and methods from settings: every way to give weights, and initial weights that follow from the seed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from yacs.config import CfgNode

from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.builders.backbones import TIMM
from sccan.builders.pretrained import load_backbone
from sccan.builders.segmentation.models import BACKBONES, build_backbone, build_method
from sccan.errors import InputError
from sccan.settings.loading import load_config

CONFIG = Path(__file__).parents[3] / "config"


def small(*opts: str) -> CfgNode:
    settings = "BACKBONE.SMALL.STEM [4,4,8] BACKBONE.SMALL.WIDTHS [8,8,16,16] METHOD.SCCAN.CHANNELS 16".split()
    return load_config(CONFIG / "shapes/shapes_split0.yaml", [*settings, *opts])


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A run folder as a base learner leaves it, and the weights of its backbone."""
    torch.manual_seed(3)
    state = build_backbone(small(), trainable=True).state_dict()
    named = {f"backbone.{name}": value for name, value in state.items()} | {
        "classifier.weight": torch.ones(2, 16, 1, 1)
    }
    save_file(named, tmp_path / "best.safetensors")
    return tmp_path, state


def test_a_run_folder_its_file_and_a_bare_state_dict_give_the_same_backbone(trained) -> None:
    folder, state = trained
    bare, prefixed = folder / "bare.pth", folder / "prefixed.pth"
    torch.save(state, bare)
    torch.save({"state_dict": {f"module.backbone.body.{name}": value for name, value in state.items()}}, prefixed)
    for given in (folder, folder / "best.safetensors", bare, prefixed):
        backbone = build_backbone(small(), trainable=False)
        load_backbone(backbone, "small", str(given))
        loaded = backbone.state_dict()
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)


def test_a_frozen_backbone_computes_what_the_trained_one_does_in_eval_mode(trained) -> None:
    folder, state = trained
    learner, frozen = build_backbone(small(), trainable=True), build_backbone(small(), trainable=False)
    learner.load_state_dict(state)
    load_backbone(frozen, "small", str(folder))
    images = torch.randn(2, 3, 33, 41)
    with torch.no_grad():
        one, two = learner.eval()(images), frozen.eval()(images)
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


def test_a_run_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no best.safetensors: that run has not been validated yet"):
        load_backbone(build_backbone(small(), trainable=False), "small", str(tmp_path))


def test_another_width_is_refused_with_both_shapes(trained) -> None:
    folder, _ = trained
    with pytest.raises(InputError, match=r"of another shape: .* instead of"):
        load_backbone(build_backbone(small("BACKBONE.SMALL.STEM", "[4,4,4]"), trainable=False), "small", str(folder))


def test_initial_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    one, again = (build_method(small(), range(6, 21), pretrained=False).state_dict() for _ in range(2))
    other = build_method(small("SEED", "5"), range(6, 21), pretrained=False).state_dict()
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["down_query.0.weight"], other["down_query.0.weight"])


@pytest.mark.parametrize("name", [name for name in BACKBONES if "101" not in name])
def test_every_backbone_announces_what_it_gives(name: str) -> None:
    cfg = load_config(CONFIG / "pascal/pascal_split0_resnet50.yaml", ["BACKBONE.NAME", name])
    backbone = build_backbone(cfg, trainable=False).eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 65, 97))
    assert list(maps) == list(backbone.stages)
    for stage, value in maps.items():
        side = backbone.stages[stage].stride
        assert value.shape[1] == backbone.stages[stage].channels
        assert abs(value.shape[2] - 65 / side) <= 1
        assert abs(value.shape[3] - 97 / side) <= 1
    # networks of timm keep norms of their own, which the method that freezes them holds still
    assert name == TIMM or any(isinstance(module, FrozenBatchNorm2d) for module in backbone.modules())
