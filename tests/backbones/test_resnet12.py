"""The ResNet-12 of CAN: sizes, widths, initial weights, and the variants that share it."""

import math

import pytest
import torch

from sccan.backbones.resnet12 import StridedResNet12


def test_stages_announce_what_the_maps_are_and_sides_are_halved_upwards() -> None:
    backbone = StridedResNet12(stem=4, widths=(4, 6, 8, 10)).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 84, 50))
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "layer1": (2, 4, 42, 25),
        "layer2": (2, 6, 21, 13),
        "layer3": (2, 8, 11, 7),
        "layer4": (2, 10, 6, 4),
    }
    assert {name: stage.stride for name, stage in backbone.stages.items()} == {
        "layer1": 2,
        "layer2": 4,
        "layer3": 8,
        "layer4": 16,
    }
    assert all(maps[name].shape[1] == stage.channels for name, stage in backbone.stages.items())


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in StridedResNet12().parameters()) == 8_037_696


def test_the_variant_with_640_channels_has_an_identity_shortcut_and_the_known_number_of_parameters() -> None:
    backbone = StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2))
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 12_460_992
    assert not any(name.startswith("layer1.0.downsample") for name in backbone.state_dict())
    assert any(name.startswith("layer2.0.downsample") for name in backbone.state_dict())


def test_convolutions_start_with_the_deviation_of_their_fan_out() -> None:
    torch.manual_seed(0)
    weight = StridedResNet12().layer3[0].conv2.weight.detach()  # 256 outputs, 3 x 3
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (9 * 256)), rel=0.01)


def test_widths_and_strides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 4, 3"):
        StridedResNet12(strides=(1, 2, 2))
