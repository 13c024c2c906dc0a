"""Backbones by onnxruntime: the maps of torch to rounding, graphs kept, and refusals in one line."""

from pathlib import Path

import pytest
import torch
from torch import nn

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.folding import fold_in_place
from sccan.backbones.packaged import packaged_backbone
from sccan.backbones.small import SmallResNet
from sccan.backbones.stage import Backbone
from sccan.backbones.timm_backbone import timm_backbone
from sccan.engine.engines import choose_engine
from sccan.engine.onnx_backbone import OnnxBackbone, with_engine
from sccan.errors import InputError
from sccan.files.cache import cache_folder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "cache"))


def graphs() -> list[Path]:
    return sorted((cache_folder() / "onnx").glob("*"))


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=2e-5 * float(value.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: packaged_backbone("lite1", stages=("blocks.2", "blocks.4"), output_stride=16), (64, 96)),
        (lambda: DeepStemResNet(50), (65, 49)),
        (SmallResNet, (65, 49)),
        (lambda: timm_backbone("resnet18", stages=(1, 2)), (64, 64)),
    ],
)
def test_maps_are_those_of_torch_for_any_number_of_pictures(make: type[Backbone], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    own = make().eval().freeze()
    graph = OnnxBackbone(own)
    assert graph.stages == own.stages
    assert graph.frozen
    for count in (1, 3):
        images = torch.randn(count, 3, *size)
        with torch.no_grad():
            expected = own(images)
            assert_same(graph(images), expected)
    first, *_, deepest = own.stages
    with torch.no_grad():
        assert list(graph(images, first)) == [first]
        before = own.stage_before(deepest)
        again = graph.continued(deepest, expected[before])
    assert_same({deepest: again}, {deepest: expected[deepest]})
    assert len(graphs()) == 1


def test_a_backbone_that_is_folded_for_good_is_not_copied() -> None:
    own = packaged_backbone("lite1", stages=("blocks.2",))
    assert OnnxBackbone(own).own is not own
    assert OnnxBackbone(fold_in_place(own)).own is own
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert_same(OnnxBackbone(own)(images), own(images))


def test_a_size_that_cannot_be_traced_is_computed_by_torch() -> None:
    own = packaged_backbone("lite1", stages=("blocks.2",))
    graph = OnnxBackbone(own)
    images = torch.randn(1, 3, 65, 64)
    with torch.no_grad():
        assert_same(graph(images), own(images))
    assert not graphs()


def test_a_kept_graph_serves_again_and_a_damaged_one_is_made_anew() -> None:
    own, images = SmallResNet().eval().freeze(), torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        expected = OnnxBackbone(own)(images)
        [kept] = graphs()
        content = kept.read_bytes()
        stamp = kept.stat().st_mtime_ns
        assert_same(OnnxBackbone(own)(images), expected)
        assert kept.stat().st_mtime_ns == stamp
        kept.write_bytes(content[: len(content) // 2])
        assert_same(OnnxBackbone(own)(images), expected)
        assert kept.stat().st_size == len(content)
        OnnxBackbone(SmallResNet().eval().freeze())(images)
    assert len(graphs()) == 2  # other weights, another graph


def test_without_a_place_to_keep_it_the_graph_serves_once(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    own, images = SmallResNet().eval().freeze(), torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        assert_same(OnnxBackbone(own)(images), own(images))


def test_a_method_is_computed_by_onnx_wherever_it_holds_the_backbone() -> None:
    backbone = packaged_backbone("lite1", stages=("blocks.1",))
    method = nn.ModuleDict({"backbone": backbone, "inner": nn.ModuleDict({"backbone": backbone})})
    assert with_engine(method, "torch", CPU, "float32") == "torch"
    assert method["backbone"] is backbone
    assert with_engine(method, "auto", CPU, "bf16") == "torch"
    assert with_engine(method, "auto", CPU, "float32") == "onnx"
    assert isinstance(method["backbone"], OnnxBackbone)
    assert method.get_submodule("inner.backbone") is method["backbone"]
    first = method["backbone"]
    assert with_engine(method, "onnx", CPU, "float32") == "onnx"
    assert method["backbone"] is first, "asked for twice it is the same"
    assert not any(isinstance(module, OnnxBackbone) for module in first.own.modules())
    assert with_engine(method, "torch", CPU, "float32") == "torch"
    assert method["backbone"] is method.get_submodule("inner.backbone") is backbone
    slower = nn.ModuleDict({"backbone": SmallResNet().eval().freeze()})
    assert with_engine(slower, "auto", CPU, "float32") == "torch"
    assert with_engine(slower, "onnx", CPU, "float32") == "onnx"


@pytest.mark.parametrize(
    ("device", "precision", "line"), [("cuda", "float32", "on cuda"), ("cpu", "bf16", "in bf16 on cpu")]
)
def test_where_onnx_does_not_compute_is_one_line(device: str, precision: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        choose_engine("onnx", device, precision, quicker=True)
    assert choose_engine("auto", device, precision, quicker=True) == "torch"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="no engine 'tvm'; use one of auto, torch, onnx"):
        choose_engine("tvm", "cpu", "float32", quicker=True)
