"""Convolutional networks of timm as backbones: their maps are those of timm's own forward, at any stage."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from sccan.backbones.folding import fold_frozen_norms
from sccan.backbones.pixels import IMAGENET, Pixels, Renormalised, normalize
from sccan.backbones.stage import Stage
from sccan.backbones.timm_backbone import patch_side, timm_backbone
from sccan.backbones.timm_network import own_pixels
from sccan.errors import InputError

NETWORKS = {
    "resnet18": 32,
    "resnet26": 8,
    "convnext_atto": 32,
    "tf_efficientnet_lite0": 16,
    "mobilenetv3_small_050": 32,
}
"""Network -> output stride."""
SIZES = [(64, 96), (96, 65)]


def _shaken(net: nn.Module) -> nn.Module:
    """The network with statistics and weights of its norms that are none of 0 and 1."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight, 0.5)):
                assert isinstance(value, Tensor)
                value.data.copy_(low + torch.rand(value.shape, generator=generator))
    return net


def _images(size: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def _as_timm_sees(images: Tensor, net: nn.Module) -> Tensor:
    """Pictures of ImageNet's scale in the network's own, by way of values in [0, 1]."""
    own = own_pixels(net)
    mean, std, own_mean, own_std = (
        torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std, own.mean, own.std)
    )
    return (images * std + mean - own_mean) / own_std


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("model", "stride"), NETWORKS.items())
def test_the_stages_that_timm_lists_are_what_timm_computes(model: str, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    backbone = timm_backbone(model, output_stride=0 if stride == 32 else stride)
    _shaken(backbone.net)
    listed = timm.create_model(model, features_only=True, output_stride=stride).eval()
    own = backbone.net.state_dict()
    theirs = {name: own[_ours(name, own)] for name in listed.state_dict()}
    listed.load_state_dict(theirs, strict=True)
    with torch.inference_mode():
        got = backbone.freeze()(_images(size))
        want = listed(_as_timm_sees(_images(size), backbone.net))
    assert len(got) == len(want)
    for name, ours, timms, reduction in zip(got, got.values(), want, listed.feature_info.reduction(), strict=True):
        assert backbone.stages[name] == Stage(timms.shape[1], reduction)
        torch.testing.assert_close(ours, timms, rtol=1e-4, atol=1e-5 * float(timms.abs().max()))


def _ours(name: str, own: dict[str, Tensor]) -> str:
    """timm's lists of features write ``stages_0.`` for ``stages.0.``."""
    return name if name in own else name.replace("_", ".", 1)


@pytest.mark.parametrize("model", ["resnet18", "convnext_atto", "tf_efficientnet_lite0"])
def test_any_module_on_the_way_may_be_a_stage_and_the_rest_is_cut_off(model: str) -> None:
    stages = {"resnet18": ["conv1", "layer2.0", "layer3"], "convnext_atto": ["stem.1", "stages.2"]}
    torch.manual_seed(0)
    chosen = stages.get(model, ["blocks.2", "blocks.3", "blocks.5"])
    backbone, whole = timm_backbone(model, stages=chosen).freeze(), timm.create_model(model, num_classes=0).eval()
    whole.load_state_dict(backbone.net.state_dict(), strict=False)
    seen: dict[str, Tensor] = {}
    for name in chosen:
        whole.get_submodule(name).register_forward_hook(lambda _, i, out, name=name: seen.update({name: out.clone()}))
    with torch.inference_mode():
        got = backbone(_images((64, 96)))
        whole.forward_features(_as_timm_sees(_images((64, 96)), whole))
    assert list(got) == chosen
    for name, ours in got.items():
        torch.testing.assert_close(ours, seen[name], rtol=1e-4, atol=1e-5)
        assert backbone.stages[name] == Stage(ours.shape[1], 96 // ours.shape[3])
    assert len(backbone.state_dict()) < len(whole.state_dict())


def test_stages_by_number_and_in_any_order_are_those_by_name() -> None:
    by_number = timm_backbone("tf_efficientnet_lite0", stages=(-2, 2))
    assert list(by_number.stages) == ["blocks.2", "blocks.4"]
    assert by_number.stages == timm_backbone("tf_efficientnet_lite0", stages=("blocks.4", "blocks.2")).stages


def test_continuing_from_a_stage_is_the_stage_behind_it_and_changes_nothing() -> None:
    torch.manual_seed(0)
    for model in ("resnet18", "tf_efficientnet_lite0", "convnext_atto"):
        backbone = timm_backbone(model).freeze()
        with torch.inference_mode():
            maps = backbone(_images((64, 96)))
            last = list(backbone.stages)[-1]
            before = maps[backbone.stage_before(last)]
            kept = before.clone()
            assert torch.equal(backbone.continued(last, before), maps[last])
            assert torch.equal(before, kept)
            assert list(backbone(_images((64, 96)), last=backbone.stage_before(last))) == list(maps)[:-1]


@pytest.mark.parametrize("model", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_folding_leaves_no_norm_and_changes_maps_by_rounding_only(model: str) -> None:
    torch.manual_seed(0)
    backbone = timm_backbone(model)
    _shaken(backbone.net)
    folded = fold_frozen_norms(backbone.freeze()).to(memory_format=torch.channels_last)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        want, got = backbone(_images((64, 96))), folded(_images((64, 96)))
    for name, map_ in want.items():
        assert (got[name] - map_).abs().max() < 1e-5 * map_.abs().max(), name


def test_a_frozen_network_stays_as_it_is_inside_of_a_training_model_and_another_one_learns() -> None:
    torch.manual_seed(0)
    frozen = timm_backbone("tf_efficientnet_lite0", stages=("blocks.1", "blocks.2"))
    learning = copy.deepcopy(frozen).train()
    model = nn.Sequential(frozen.freeze()).train()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    assert not model[0](_images((64, 96)))["blocks.2"].requires_grad
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())
    learning(_images((64, 96)))["blocks.2"].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learning.parameters())


def test_pictures_keep_one_scale_and_a_network_of_imagenets_own_gets_them_untouched() -> None:
    images = _images((8, 9))
    assert Renormalised(IMAGENET, IMAGENET)(images) is images
    cifar = Pixels((0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
    there_and_back = Renormalised(cifar, IMAGENET)(Renormalised(IMAGENET, cifar)(images))
    torch.testing.assert_close(there_and_back, images)
    values = torch.rand(2, 3, 8, 9)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (cifar.mean, cifar.std))
    other = Renormalised(cifar, Pixels((0.0,) * 3, (1.0,) * 3))((values - mean) / std)
    torch.testing.assert_close(other, values)
    own = Renormalised(IMAGENET, Pixels((0.0,) * 3, (1.0,) * 3))(normalize(255 * values))
    torch.testing.assert_close(own, values)


def test_the_patch_is_known_without_making_weights() -> None:
    assert {name: patch_side(name) for name in ("resnet18", "vit_small_patch14_dinov2", "vit_tiny_patch16_224")} == {
        "resnet18": 1,
        "vit_small_patch14_dinov2": 14,
        "vit_tiny_patch16_224": 16,
    }


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("resnet81", {}, r"timm [\d.]+ has no model 'resnet81'; did you mean 'resnet\d+"),
        (
            "resnet18",
            {"stages": ("layer9",)},
            "resnet18 has no stage 'layer9', but act1, layer1, .*; did you mean 'lay",
        ),
        ("resnet18", {"stages": (7,)}, "resnet18 lists 5 stages .*, but number 7 is asked"),
        ("resnet18", {"output_stride": 5}, "resnet18 cannot be built with output stride 5"),
        ("hrnet_w18_small", {}, "hrnet_w18_small does not compute one map after another"),
        ("swin_tiny_patch4_window7_224", {}, "keeps channels last inside"),
        ("mixer_s32_224", {}, "mixer_s32_224 cannot be tried on a picture of 64 pixels"),
        ("vit_tiny_patch16_224", {"output_stride": 8}, "leave it out, or take a network that can be dilated"),
    ],
)
def test_what_cannot_be_is_one_line(model: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        timm_backbone(model, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
