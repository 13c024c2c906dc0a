"""Weights into modules: strict, and explained."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.names import NameTable
from sccan.backbones.small import SmallResNet
from sccan.backbones.weights import load_strict, load_weights, weights_digest
from sccan.errors import InputError

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


def _published_backbone(depth: int) -> dict[str, Tensor]:
    """A state dict as published: classifier and counters included, every value another."""
    state = DeepStemResNet(depth, norm_layer=nn.BatchNorm2d).state_dict()
    return {**state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("counters", [True, False])
def test_the_published_backbone_file_loads_strictly(tmp_path: Path, counters: bool) -> None:
    torch.manual_seed(0)
    state = _published_backbone(50)
    if not counters:
        state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(state) == (332 if counters else 277)
    torch.save(state, tmp_path / "resnet50_v2.pth")
    backbone = DeepStemResNet(50)
    load_weights(backbone, tmp_path / "resnet50_v2.pth")
    own = backbone.state_dict()
    assert all(torch.equal(own[name], state[name]) for name in own)


def test_weights_of_another_depth_are_refused_by_name(tmp_path: Path) -> None:
    torch.save(_published_backbone(101), tmp_path / "resnet101_v2.pth")
    with pytest.raises(
        InputError, match="it holds a deep-stem ResNet-101, the model is a deep-stem ResNet-50"
    ) as caught:
        load_weights(DeepStemResNet(50), tmp_path / "resnet101_v2.pth")
    assert "surplus: layer3.6.conv1.weight" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_torchvisions_weights_are_not_taken_for_deep_stem_ones() -> None:
    with pytest.raises(
        InputError, match="holds a ResNet-18 with torchvision's stem, the model is a deep-stem ResNet-50"
    ):
        load_strict(DeepStemResNet(50), resnet18().state_dict(), source="file", excused=("fc.*",))


def test_a_trained_backbone_loads_into_one_with_frozen_norms_and_computes_the_same() -> None:
    torch.manual_seed(0)
    trained = SmallResNet().train()
    trained(torch.randn(4, 3, 33, 49))  # moves the statistics
    frozen = SmallResNet(norm_layer=FrozenBatchNorm2d).freeze()
    load_strict(frozen, trained.state_dict(), source="base training")
    images = torch.randn(2, 3, 33, 49)
    with torch.inference_mode():
        torch.testing.assert_close(frozen(images)["layer4"], trained.eval()(images)["layer4"], rtol=1e-4, atol=1e-5)


def test_every_misfit_is_listed_on_both_sides_and_nothing_is_loaded() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    state = {"weight": torch.zeros(2, 4), "scale": torch.zeros(1), "extra.a": torch.zeros(1)}
    with pytest.raises(InputError) as caught:
        load_strict(module, state, source="some file", excused=("extra.*",))
    assert str(caught.value) == (
        "some file does not fit the model: 1 missing: bias; 1 surplus: scale; "
        "1 of another shape: weight [2, 4] instead of [2, 3]"
    )
    assert torch.equal(module.weight, before)


def test_long_lists_are_shortened() -> None:
    with pytest.raises(InputError, match="7 surplus: a0, a1, a2, a3 and 3 more$"):
        load_strict(nn.Linear(3, 2), {**STATE, **{f"a{i}": torch.zeros(1) for i in range(7)}}, source="file")


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "file.safetensors")
    module = nn.Linear(3, 2)
    load_weights(module, tmp_path / "file.safetensors")
    assert torch.equal(module.weight, STATE["weight"])


def test_the_digest_follows_names_and_values_and_leaves_counters_apart() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    found = [weights_digest(layers), weights_digest(nn.Sequential(nn.Identity(), *layers))]
    layers(torch.randn(2, 3, 5, 6))  # in training: statistics move
    found.append(weights_digest(layers))
    layers.get_buffer("1.num_batches_tracked").add_(1)
    assert weights_digest(layers) == found[-1]
    with torch.no_grad():
        layers.get_parameter("0.bias")[3] += 1e-6
    found += [weights_digest(layers), weights_digest(layers.to(torch.bfloat16))]
    assert len(set(found)) == 5


def test_a_file_that_mixes_two_kinds_of_names_is_one_line(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2, 3), "old.weight": torch.zeros(2, 3)}, tmp_path / "mixed.pth")
    with pytest.raises(
        InputError, match=r"mixed\.pth does not fit the model: two parameters would both be named weight"
    ):
        load_weights(nn.Linear(3, 2), tmp_path / "mixed.pth", names=NameTable([("old.", "")]))
