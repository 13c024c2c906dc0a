"""The backbones of few-shot classification: published sizes, and shortcuts as published."""

import pytest
import torch
import torch.nn.functional as F

from sccan.backbones.conv4 import Conv4
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.wide_resnet import PreActivationBlock, WideResNet


@pytest.mark.parametrize(
    ("make", "parameters", "shape"),
    [
        (lambda: StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2)), 12_460_992, (640, 11, 11)),
        (lambda: StridedResNet12(stem=128, widths=(128, 256, 512, 896), strides=(1, 2, 2, 2)), 27_035_008, None),
        (lambda: PooledResNet12(round_up=False, drop_rate=0.0), 12_424_320, (640, 10, 10)),
        (WideResNet, 36_472_784, None),
        (Conv4, 1_552_896, (512, 19, 19)),
    ],
)
def test_sizes_are_the_published_ones(make: type[Backbone], parameters: int, shape: tuple[int, ...] | None) -> None:
    backbone = make().eval()
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    name = list(backbone.stages)[-1]
    if shape is not None:
        with torch.inference_mode():
            maps = backbone(torch.randn(1, 3, 84, 84))
        assert maps[name].shape[1:] == shape
        assert backbone.stages[name].channels == shape[0]


def test_a_narrow_wide_resnet_announces_what_it_returns_and_can_be_continued() -> None:
    backbone = WideResNet(stem=4, widths=(6, 8, 10), blocks=2).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 24, 36))
        for name, stage in backbone.stages.items():
            assert maps[name].shape == (2, stage.channels, 24 // stage.stride, 36 // stage.stride)
        torch.testing.assert_close(backbone.continued("pooled", maps["block3"]), maps["pooled"])


def test_a_projecting_shortcut_takes_the_activated_input_and_an_identity_the_raw_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 7)
    for block in (PreActivationBlock(4, 6, 2, 0.5).eval(), PreActivationBlock(4, 4, 1, 0.5).eval()):
        with torch.no_grad():
            block.conv2.weight.zero_()
            activated = F.relu(x / (1 + 1e-5) ** 0.5)
            want = x if block.convShortcut is None else block.convShortcut(activated)
            torch.testing.assert_close(block(x), want)


def test_widths_and_strides_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="describe the same stages, but there are 3, 2"):
        WideResNet(strides=(1, 2))
