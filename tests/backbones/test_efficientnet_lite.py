"""The networks that are built here against timm's own, bit for bit."""

import pytest
import timm
import torch

from sccan.backbones.efficientnet_lite import DEPTHS, EfficientNetLite
from sccan.backbones.timm_backbone import timm_backbone
from sccan.errors import InputError


@pytest.mark.parametrize("model", DEPTHS)
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_names_shapes_and_maps_are_timms(model: str, output_stride: int) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(model, num_classes=0, output_stride=output_stride).eval()
    ours = EfficientNetLite(model, output_stride=output_stride).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    state = theirs.state_dict()
    for name, value in state.items():
        if name.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 1.5)
    ours.load_state_dict(state, strict=True)
    for height, width in ((63, 98), (64, 33)):
        images = torch.randn(2, 3, height, width)
        with torch.inference_mode():
            assert torch.equal(ours.forward_features(images), theirs.forward_features(images))
    assert ours.feature_info == theirs.feature_info
    assert ours.pretrained_cfg.items() <= theirs.pretrained_cfg.items()


def test_random_weights_are_spread_as_timms() -> None:
    torch.manual_seed(0)
    ours, theirs = EfficientNetLite("tf_efficientnet_lite0"), timm.create_model("tf_efficientnet_lite0", num_classes=0)
    for name, value in theirs.state_dict().items():
        if value.ndim == 4 and value.numel() > 5000:
            assert ours.state_dict()[name].std() == pytest.approx(float(value.std()), rel=0.1), name


def test_an_output_stride_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be built with output stride 5"):
        timm_backbone("tf_efficientnet_lite1", output_stride=5)
