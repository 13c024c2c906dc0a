"""The WRN with raw shortcuts: sizes, parameters, and what the shortcut takes."""

import pytest
import torch

from sccan.backbones.wide_resnet_raw import RawShortcutBlock, RawShortcutWideResNet


def test_stages_announce_what_the_maps_are() -> None:
    backbone = RawShortcutWideResNet(stem=4, widths=(4, 6, 8), blocks=2).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 21, 30))
    sizes = {"layer1": (2, 4, 21, 30), "layer2": (2, 6, 11, 15), "layer3": (2, 8, 6, 8), "normed": (2, 8, 6, 8)}
    assert {name: tuple(value.shape) for name, value in maps.items()} == sizes
    assert [stage.stride for stage in backbone.stages.values()] == [1, 2, 4, 4]
    assert float(maps["normed"].min()) >= 0


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in RawShortcutWideResNet().parameters()) == 36_482_880


def test_a_shortcut_takes_the_input_as_it_is() -> None:
    block = RawShortcutBlock(3, 3, 1, 0.0).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.zeros_(block.conv2.bias)
    maps = torch.randn(1, 3, 4, 5)
    assert torch.equal(block(maps), maps)


def test_widths_and_strides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 3, 2"):
        RawShortcutWideResNet(strides=(1, 2))
