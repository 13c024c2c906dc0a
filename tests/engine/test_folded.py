"""Folded backbones: the same maps to rounding, and the model itself untouched."""

import pytest
import torch
from torch import nn

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.folding import is_folded
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.small import SmallResNet
from sccan.backbones.stage import Backbone
from sccan.engine.folded import fold_backbones, folded_backbones


class Holder(nn.Module):
    """A backbone at two places, as in a method that is wrapped."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.inner = nn.ModuleDict({"backbone": backbone})


def with_statistics(backbone: Backbone) -> Backbone:
    generator = torch.Generator().manual_seed(1)
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.uniform_(0.5, 1.5, generator=generator)
    return backbone


@pytest.mark.parametrize("make", [DeepStemResNet, lambda: SmallResNet(norm_layer=FrozenBatchNorm2d)])
def test_maps_are_the_same_to_rounding_and_norms_are_gone(make: type[Backbone]) -> None:
    holder = Holder(with_statistics(make()).freeze())
    names, own = list(holder.state_dict()), holder.backbone
    images = torch.randn(2, 3, 65, 49, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = own(images)
        with folded_backbones(holder):
            assert holder.backbone is holder.inner["backbone"] is not own
            assert not any(isinstance(module, FrozenBatchNorm2d) for module in holder.modules())
            found = holder.backbone(images)
    assert holder.backbone is holder.inner["backbone"] is own
    assert list(holder.state_dict()) == names
    for name, value in expected.items():
        assert found[name].is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found[name], value, atol=2e-5 * float(value.abs().max()), rtol=0)


def test_folding_for_good_changes_the_backbone_itself_once() -> None:
    holder = Holder(with_statistics(SmallResNet(norm_layer=FrozenBatchNorm2d)).freeze())
    own = holder.backbone
    images = torch.randn(2, 3, 65, 49, generator=torch.Generator().manual_seed(2))
    with torch.no_grad(), folded_backbones(holder):
        expected = holder.backbone(images)
    assert not is_folded(own)
    for _ in range(2):
        fold_backbones(holder)
        assert holder.backbone is holder.inner["backbone"] is own
        assert is_folded(own)
        with torch.no_grad():
            for name, value in own(images).items():
                assert torch.equal(value, expected[name])


def test_what_learns_is_left_alone_and_an_error_restores_the_rest() -> None:
    learning = Holder(SmallResNet())
    with folded_backbones(learning):
        assert isinstance(learning.backbone, SmallResNet)
        assert any(isinstance(module, nn.BatchNorm2d) for module in learning.modules())
    frozen = Holder(SmallResNet(norm_layer=FrozenBatchNorm2d).freeze())
    own = frozen.backbone
    with folded_backbones(frozen, enabled=False):
        assert frozen.backbone is own
    with pytest.raises(KeyError), folded_backbones(frozen):
        raise KeyError
    assert frozen.backbone is own
