"""The base learner: sizes, groups, names and parameter counts."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sccan.backbones.deep_stem import BAM_DILATIONS, DeepStemResNet
from sccan.backbones.small import SmallResNet
from sccan.backbones.vgg import VGG16
from sccan.backbones.weights import load_strict, load_weights
from sccan.builders.pretrained import load_backbone
from sccan.errors import InputError
from sccan.segmentation.methods.pspnet import PUBLISHED_NAMES, PSPNet
from sccan.segmentation.parts.pixel_batch import PixelBatch

CASES = Path(__file__).parents[2] / "reference" / "cases" / "bam"


def _small() -> PSPNet:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    return PSPNet(backbone, 5, channels=8)


def _batch() -> PixelBatch:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 6, (2, 49, 65), generator=generator)
    labels[labels == 5] = 255
    return PixelBatch(torch.randn(2, 3, 49, 65, generator=generator), labels)


def test_every_parameter_is_in_one_of_two_groups_and_gets_a_gradient() -> None:
    model, batch = _small(), _batch()
    logits = model(batch)
    assert logits.shape == (2, 5, 49, 65)
    model.loss(logits, batch)["total"].backward()
    groups = model.parameter_groups()
    assert list(groups) == ["encoder", "head"]
    parameters = [parameter for group in groups.values() for parameter in group]
    assert len(parameters) == len(set(parameters)) == len(list(model.parameters()))
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in parameters)


@pytest.mark.parametrize(
    ("backbone", "count"),
    [
        (lambda: DeepStemResNet(50, norm_layer=nn.BatchNorm2d, dilations=BAM_DILATIONS), 46_713_808),
        (lambda: DeepStemResNet(101, norm_layer=nn.BatchNorm2d, dilations=BAM_DILATIONS), 65_705_936),
        (lambda: VGG16(norm_layer=nn.BatchNorm2d), 19_714_128),
    ],
)
def test_the_published_parameter_counts(backbone, count: int) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        model = PSPNet(backbone(), 16)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize(
    ("case", "backbone", "doubled"),
    [("base_resnet50_train", DeepStemResNet, 692), ("base_vgg16_eval", VGG16, 214)],
)
def test_a_published_checkpoint_loads_with_its_doubled_names(
    case: str,
    backbone,
    doubled: int,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    """Every backbone tensor is stored twice, and all names have the prefix of parallel training."""
    manifest = json.loads((CASES / f"{case}.json").read_text())["weights"]
    state = {
        name: torch.zeros(shape, dtype=getattr(torch, kind)).fill_(index)
        for index, (name, (shape, kind)) in enumerate(manifest.items())
    }
    state |= {
        f"encoder.{name.removeprefix('layer')}": value for name, value in state.items() if name.startswith("layer")
    }
    assert len(state) == doubled
    path = tmp_path / "best.pth"
    torch.save({"epoch": 1, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    model = PSPNet(backbone(norm_layer=nn.BatchNorm2d), 16)
    load_weights(model, path, names=PUBLISHED_NAMES, excused=())
    assert model.backbone.conv1.weight.eq(state["layer0.0.weight"]).all()
    assert model.classifier.classify[4].bias.eq(state["cls.4.bias"]).all()
    assert set(PUBLISHED_NAMES.published(model.state_dict())) == set(manifest)
    alone = backbone()
    load_backbone(alone, "any", str(path))  # as SCCAN takes it
    assert alone.conv2.weight.eq(state["layer0.3.weight"]).all()


def test_a_checkpoint_of_another_backbone_is_refused_with_both_names() -> None:
    state = PSPNet(DeepStemResNet(50, norm_layer=nn.BatchNorm2d), 16).state_dict()
    vgg = PSPNet(VGG16(norm_layer=nn.BatchNorm2d), 16)
    with pytest.raises(InputError, match="it holds a deep-stem ResNet-50, the model is a VGG-16"):
        load_strict(vgg, state, source="base.pth")
