"""VGG-16: sizes, names, and the same numbers as torchvision's."""

import pytest
import torch
from torch import nn
from torchvision.models import vgg16_bn

from sccan.backbones.folding import fold_frozen_norms
from sccan.backbones.vgg import TORCHVISION_NAMES, VGG16
from sccan.backbones.weights import BACKBONE_EXCUSED, load_strict

SIZES = {"layer1": (128, 119), "layer2": (256, 60), "layer3": (512, 30), "layer4": (512, 30)}


def test_the_maps_have_the_published_sizes() -> None:
    with torch.device("meta"):
        maps = VGG16()(torch.zeros(1, 3, 473, 473))
    assert {name: (value.shape[1], value.shape[2]) for name, value in maps.items()} == SIZES


def _pair() -> tuple[VGG16, nn.Module]:
    torch.manual_seed(0)
    theirs = vgg16_bn(weights=None).eval()
    for name, buffer in theirs.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    ours = VGG16()
    state = TORCHVISION_NAMES.ours(theirs.state_dict())
    load_strict(ours, state, source="torchvision", excused=(*BACKBONE_EXCUSED, "classifier.*"))
    return ours.freeze(), theirs


def test_torchvision_weights_give_torchvision_numbers_but_for_the_rounding_of_pools() -> None:
    ours, theirs = _pair()
    images = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # sides that 16 divides: pools that round up and down agree
        torch.testing.assert_close(ours(images)["layer4"], theirs.features[:43](images))
        torch.testing.assert_close(ours(images)["layer1"], theirs.features[:14](images))


def test_folded_norms_give_the_same_numbers() -> None:
    ours, _ = _pair()
    images = torch.randn(2, 3, 33, 49, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(fold_frozen_norms(ours)(images)["layer4"], ours(images)["layer4"])


def test_a_stage_can_be_continued_from_the_one_before() -> None:
    ours = VGG16().freeze()
    maps = ours(torch.randn(1, 3, 33, 49))
    assert ours.stage_before("layer4") == "layer3"
    torch.testing.assert_close(ours.continued("layer4", maps["layer3"]), maps["layer4"])


def test_the_first_stage_has_none_before_it() -> None:
    with pytest.raises(ValueError, match="layer1 is the first stage of VGG16; choose one of layer2, layer3, layer4"):
        VGG16().stage_before("layer1")
