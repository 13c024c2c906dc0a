"""A backbone with a filter on its deepest maps is a backbone like others."""

import pytest
import torch

from sccan.attention.element_connection import CLUSTERS, ElementFilter
from sccan.attention.semantic_filter import SemanticFilter
from sccan.backbones.conv4 import Conv4
from sccan.backbones.necked import NeckedBackbone
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.stage import Backbone
from sccan.errors import InputError


@pytest.mark.parametrize("body", [StridedResNet12(stem=4, widths=(4, 4, 6, 8)), Conv4(widths=(4, 4, 6, 8))])
@pytest.mark.parametrize("neck", [SemanticFilter(8, heads=2), ElementFilter(CLUSTERS["gcn"](8), 8)])
def test_the_deepest_maps_are_filtered_and_the_others_are_not(body: Backbone, neck: torch.nn.Module) -> None:
    images = torch.randn(2, 3, 36, 44)
    with torch.inference_mode():
        bare = body.eval()(images)
        necked = NeckedBackbone(body, neck, "layer4").eval()
        found = necked(images)
        assert torch.equal(found["layer4"], neck.eval()(bare["layer4"]))
    assert necked.stages == body.stages
    assert found["layer4"].shape == bare["layer4"].shape
    assert all(torch.equal(found[name], bare[name]) for name in ("layer1", "layer2", "layer3"))
    assert set(necked(images, last="layer2")) == {"layer1", "layer2"}


def test_the_filter_computes_in_float32_under_autocast() -> None:
    body = StridedResNet12(stem=4, widths=(4, 4, 6, 8))
    necked = NeckedBackbone(body, SemanticFilter(8, heads=2), "layer4").eval()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        found = necked(torch.randn(2, 3, 36, 44))
    assert found["layer3"].dtype == torch.bfloat16
    assert found["layer4"].dtype == torch.float32


def test_a_stage_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no stage 'layer5'"):
        NeckedBackbone(Conv4(widths=(4, 4, 6, 8)), SemanticFilter(8), "layer5")
