"""All backbones: what they announce is what they return; frozen ones stay so."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.folding import fold_frozen_norms
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.small import SmallResNet
from sccan.backbones.stage import Backbone, Stage
from sccan.backbones.torchvision_resnet import TorchvisionResNet, published_weights
from sccan.errors import InputError

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "deep stem 50": DeepStemResNet,
    "deep stem, BAM's dilations": lambda: DeepStemResNet(dilations=((1, 1), (1, 1), (2, 2), (4, 4))),
    "small": SmallResNet,
    "small, other numbers": lambda: SmallResNet(
        stem=(4, 4, 6), widths=(6, 8, 10), blocks=(1, 1, 1), strides=(1, 2, 2), dilations=(1, 1, 1)
    ),
    "torchvision 18": lambda: TorchvisionResNet("resnet18"),
    "torchvision 50": TorchvisionResNet,
}


@pytest.mark.parametrize("make", BACKBONES.values(), ids=BACKBONES)
def test_maps_are_as_announced(make: Callable[[], Backbone]) -> None:
    backbone = make().freeze()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 33, 65))
    assert list(maps) == list(backbone.stages)
    for name, stage in backbone.stages.items():
        assert maps[name].shape == (2, stage.channels, -(-33 // stage.stride), -(-65 // stage.stride)), name


def test_the_deep_stem_announces_the_published_channels_and_strides() -> None:
    assert DeepStemResNet(50).stages == {
        "layer1": Stage(256, 4),
        "layer2": Stage(512, 8),
        "layer3": Stage(1024, 8),
        "layer4": Stage(2048, 8),
    }


def test_dilations_are_the_published_ones() -> None:
    backbone = DeepStemResNet(50)
    found: dict[str, list[int]] = {name: [] for name in backbone.stages}
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d) and name.endswith(".conv2"):
            found[name.split(".")[0]].append(module.dilation[0])
    assert found == {"layer1": [1] * 3, "layer2": [1] * 4, "layer3": [1, 2, 2, 2, 2, 2], "layer4": [2, 4, 4]}


@pytest.mark.parametrize(("depth", "parameters", "buffers"), [(50, 23_578_304, 107_008), (101, 42_518_208, 211_456)])
def test_deep_stem_sizes_are_the_published_ones(depth: int, parameters: int, buffers: int) -> None:
    with torch.device("meta"):
        backbone = DeepStemResNet(depth)
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert sum(b.numel() for b in backbone.buffers()) == buffers


def test_torchvisions_resnet_computes_what_torchvision_computes() -> None:
    torch.manual_seed(0)
    original, ours = resnet18().eval(), TorchvisionResNet("resnet18").freeze()
    state = {name: value for name, value in original.state_dict().items() if not name.startswith("fc.")}
    ours.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        features = ours(images)["layer4"]
        torch.testing.assert_close(original.fc(features.mean((2, 3))), original(images))


def test_a_frozen_backbone_stays_frozen_inside_of_a_training_model() -> None:
    model = nn.Sequential(SmallResNet().freeze(), nn.BatchNorm2d(3))
    model.train()
    assert model[1].training
    assert not any(module.training for module in model[0].modules())
    assert not any(parameter.requires_grad for parameter in model[0].parameters())
    before = {name: value.clone() for name, value in model[0].state_dict().items()}
    model[0](torch.randn(2, 3, 33, 49))
    assert all(torch.equal(value, before[name]) for name, value in model[0].state_dict().items())


def test_a_backbone_that_is_not_frozen_trains_and_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    backbone = SmallResNet().train()
    backbone(torch.randn(2, 3, 33, 49))["layer4"].square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: SmallResNet(), 0),
        (lambda: SmallResNet(norm_layer=FrozenBatchNorm2d), 0),
        (lambda: DeepStemResNet(50), 0),
        (lambda: TorchvisionResNet("resnet18"), 0),
    ],
    ids=["small", "small, frozen norms", "deep stem", "torchvision"],
)
def test_folding_leaves_no_norm_and_changes_the_maps_by_rounding_only(make: Callable[[], Backbone], names: int) -> None:
    """The largest change, relative to the largest value of a map, stays under 5e-6."""
    torch.manual_seed(0)
    backbone = make()
    for module in backbone.modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            for value, low in ((module.running_var, 0.5), (module.weight, 0.5), (module.bias, -0.5)):
                assert isinstance(value, torch.Tensor)
                value.data.uniform_(low, low + 1)
    backbone.freeze()
    names_before = list(backbone.state_dict())
    folded = fold_frozen_norms(backbone)
    assert list(backbone.state_dict()) == names_before
    norms = [m for m in folded.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert len(norms) == names
    images = torch.randn(2, 3, 49, 33)
    with torch.inference_mode():
        want, got = backbone(images), folded(images)
    for name in want:
        assert (got[name] - want[name]).abs().max() < 5e-6 * want[name].abs().max(), name


def test_folding_a_backbone_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="only a frozen backbone"):
        fold_frozen_norms(SmallResNet())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepStemResNet(34), "no deep-stem ResNet of depth 34"),
        (lambda: TorchvisionResNet("resnet5O"), "did you mean 'resnet50'"),
        (lambda: SmallResNet().stage("layer9"), "has no stage 'layer9'; its stages are layer1, layer2"),
        (lambda: published_weights("resnet18", "IMAGENET"), "no weights 'IMAGENET' for resnet18, but IMAGENET1K_V1"),
        (lambda: SmallResNet(widths=(8, 8)), "their lengths are 2, 4, 4 and 4"),
        (lambda: SmallResNet(stem=(8, 8)), "the stem has three convolutions"),
    ],
)
def test_what_does_not_exist_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError) or "stem has" in message or "lengths" in message
