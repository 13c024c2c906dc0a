"""Ready-made names: what the table says is what timm says, and every name is complete."""

from __future__ import annotations

import pytest
import timm
import torch

from sccan.backbones.packaged import package_of
from sccan.backbones.timm_backbone import patch_side
from sccan.builders.backbones import backbone_name, require_sides
from sccan.builders.ready import DEFAULT, HUB, METHODS, PACKAGED, READY, Eyes, ready_model
from sccan.errors import InputError
from sccan.settings.loading import load_config


@pytest.mark.parametrize("eyes", HUB, ids=lambda eyes: eyes.title)
def test_licence_size_and_name_are_those_that_timm_knows(eyes: Eyes) -> None:
    with torch.device("meta"):
        net = timm.create_model(eyes.model, num_classes=0)
    known = net.pretrained_cfg
    assert known["hf_hub_id"] == eyes.weights.name
    assert known["license"] == eyes.license
    assert sum(4 * value.numel() for value in net.state_dict().values()) / 1e6 == pytest.approx(eyes.megabytes, abs=0.5)
    assert eyes.side % patch_side(eyes.model) == 0


def test_every_method_has_every_backbone_and_its_settings_fit() -> None:
    assert len(READY) == len(METHODS) * (len(HUB) + len(PACKAGED))
    assert DEFAULT is next(iter(READY.values()))
    for name, ready in READY.items():
        cfg = load_config("config/pascal/pascal_split0_resnet50.yaml", ready.options)
        assert backbone_name(cfg).startswith(f"timm {ready.eyes.model}")
        assert cfg.BACKBONE.TIMM.STAGES == cfg.METHOD[ready.method.upper()].STAGES == ready.eyes.stages
        assert cfg.BACKBONE.WEIGHTS == (f"hub:{ready.eyes.weights}" if ready.eyes.weights else "packaged")
        require_sides(cfg, "TEST.SIZE", (cfg.TEST.SIZE,))
        assert ready_model(name) is ready


@pytest.mark.parametrize("eyes", PACKAGED, ids=lambda eyes: eyes.title)
def test_packaged_weights_are_what_the_table_says(eyes: Eyes) -> None:
    package = package_of(eyes.model)
    assert (package.license, package.megabytes, package.installed) == (eyes.license, eyes.megabytes, eyes.here)
    assert eyes.weights is None


def test_an_unknown_name_is_one_line_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no ready model 'insid3-dinov3-smal'; did you mean 'insid3-dinov3-small'"):
        ready_model("insid3-dinov3-smal")
