"""A checkpoint is recognised by what is in it, built strictly, and refused in one line if it is something else."""

import contextlib
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from yacs.config import CfgNode

from sccan.builders.classification.frozen import TRAINING_FREE as CLASSIFYING
from sccan.builders.released.checkpoint import KNOWN, facts_of_name, model_settings, read_released
from sccan.builders.released.systems import SIGNATURES, TITLES
from sccan.builders.segmentation.models import NAME_TABLES, build_backbone, build_method
from sccan.builders.segmentation.models import TRAINING_FREE as SEGMENTING
from sccan.engine.checkpoint import write_weights
from sccan.errors import InputError
from sccan.settings.loading import config_of, flatten, load_config
from sccan.settings.tree import defaults
from tests.published_files import SYSTEMS, published_state, save_published, small_model


@pytest.mark.parametrize("system", SYSTEMS)
def test_published_files_of_every_system_are_recognised_and_fit(tmp_path: Path, system: str) -> None:
    model = small_model(system)
    released = read_released(save_published(tmp_path / "file.pth.tar", system, model))
    assert released.system == system
    assert TITLES[system] in released.note
    own, built = model.state_dict(), released.build()
    assert not built.training
    assert not any(name.endswith("loss_weights.scales") for name in released.state)
    for name, value in built.state_dict().items():
        if name in released.state:
            assert torch.equal(value, own[name]), name
    found = flatten(released.cfg)
    for key, value in flatten(CfgNode(SYSTEMS[system])).items():
        assert found[key] == value, key


def test_every_method_has_a_title_and_every_published_one_a_signature() -> None:
    assert set(TITLES) == set(KNOWN) - {*CLASSIFYING, *SEGMENTING}  # those have no checkpoints
    assert set(SYSTEMS) <= set(SIGNATURES)


def test_what_shapes_do_not_tell_is_said_and_can_be_replaced(tmp_path: Path) -> None:
    path = save_published(tmp_path / "train5_epoch_43.5_0.6753.pth", "sccan", small_model("sccan"))
    released = read_released(path)
    assert "METHOD.SCCAN.WINDOW 8" in released.note
    assert (released.cfg.METHOD.SCCAN.DEPTH, released.cfg.EPISODE.SHOTS) == (3, 5)
    other = read_released(path, opts=["METHOD.SCCAN.WINDOW", "4"])
    assert other.cfg.METHOD.SCCAN.WINDOW == 4
    assert "WINDOW" not in other.note


def test_a_clustered_patch_method_without_parameters_must_be_named(tmp_path: Path) -> None:
    path = save_published(tmp_path / "file.pth", "patchproto", small_model("patchproto"))
    opts = ["METHOD.NAME", "cecnet", "METHOD.CECNET.CLUSTER", "matmul"]
    assert read_released(path).system == "patchproto"
    assert read_released(path, opts=opts).build().state_dict().keys() == read_released(path).build().state_dict().keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("down_supp.0.weight"), r"1 missing: down_support\.0\.weight"),
        (lambda state: state.update({"extra.weight": torch.zeros(2)}), r"1 surplus: extra\.weight"),
        (lambda state: state.update({"fc.weight": torch.zeros(1000, 40)}), r"1 surplus: fc\.weight"),
        (
            lambda state: state.update({"cls_meta.3.bias": torch.zeros(3)}),
            r"1 of another shape: head\.classify\.3\.bias \[3\]",
        ),
    ],
)
def test_missing_and_surplus_names_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    state = published_state("sccan", small_model("sccan"))
    change(state)
    torch.save({"state_dict": state}, tmp_path / "file.pth")
    with pytest.raises(InputError, match=message):
        read_released(tmp_path / "file.pth").build()


def test_bare_backbones_are_named(tmp_path: Path) -> None:
    cfg = config_of({"BACKBONE": {"NAME": "resnet50_deep"}}, "the test")
    state = {**build_backbone(cfg, trainable=True).state_dict(), "fc.weight": torch.zeros(1000, 2048)}
    torch.save(state, tmp_path / "resnet50_v2.pth")
    with pytest.raises(
        InputError, match=r"bare backbone \(deep-stem ResNet-50 with ImageNet's classifier\).*BACKBONE.WEIGHTS"
    ):
        read_released(tmp_path / "resnet50_v2.pth")
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(InputError, match=r"no checkpoint of any system here: it holds 2 tensors \(weight, bias"):
        read_released(tmp_path / "linear.pth")


def test_another_method_than_the_settings_name_is_refused(tmp_path: Path) -> None:
    path = save_published(tmp_path / "file.pth", "tsf", small_model("tsf"))
    (tmp_path / "run.yaml").write_text("METHOD: {NAME: can}\nBACKBONE: {NAME: resnet12}\n")
    with pytest.raises(InputError, match="checkpoint of method tsf, but the settings name method can"):
        read_released(path, config=str(tmp_path / "run.yaml"))


def _own(path: Path, header: dict[str, Any]) -> Path:
    write_weights(path, small_model("sccan").state_dict(), header)
    return path


def test_our_own_weights_bring_their_settings(tmp_path: Path) -> None:
    cfg = read_released(save_published(tmp_path / "file.pth", "sccan", small_model("sccan"))).cfg
    stored = model_settings(cfg)
    stored["METHOD"]["SCCAN"]["WINDOW"] = 4
    released = read_released(_own(tmp_path / "file.safetensors", {"method": "sccan", "settings": stored}))
    assert released.cfg.METHOD.SCCAN.WINDOW == 4
    assert released.inferred == {}
    assert "TRAIN" not in stored
    assert "WEIGHTS" not in stored["BACKBONE"]


def test_no_path_of_a_machine_is_stored_with_weights() -> None:
    where = ("METHOD.TASNET.FEATURES", "METHOD.TASNET.VECTORS", "METHOD.TASNET.NAMES", "BACKBONE.WEIGHTS")
    opts = ["DATA.ROOT", "/home/me", *(word for key in where for word in (key, "/home/me/file"))]
    for config in ("config/cifar_fs/tasnet_cpu_5w1s.yaml", "config/coco_mini/coco_mini_split0.yaml"):
        assert "/home/me" not in repr(model_settings(load_config(config, opts)))


def test_our_own_weights_are_used_in_their_run_folder(tmp_path: Path) -> None:
    header = {"method": "sccan", "backbone": "small", "config_digest": "0"}
    best = _own(tmp_path / "best.safetensors", header)
    with pytest.raises(InputError, match="does not say its settings.*give the folder"):
        read_released(best)
    values = SYSTEMS["sccan"]["METHOD"]["SCCAN"]
    (tmp_path / "config.yaml").write_text(
        f"METHOD: {{SCCAN: {{CHANNELS: 16, DEPTH: 3, MLP_RATIO: {values['MLP_RATIO']}, WINDOW: 4}}}}\n"
        "BACKBONE: {NAME: small, WEIGHTS: somewhere, SMALL: {STEM: [8, 8, 16], WIDTHS: [16, 24, 32, 40], "
        "BLOCKS: [1, 2, 1, 1]}}\n"
    )
    for path in (best, tmp_path):
        released = read_released(path)
        assert released.cfg.METHOD.SCCAN.WINDOW == 4
        assert released.cfg.BACKBONE.WEIGHTS == ""
        released.build()


OF_OTHERS = {"METHOD": {"TASNET": {"UNIT_FEATURES": False, "GONE": 1}, "FORGOTTEN": {"A": 1}}, "TRAIN": {"GONE": 2}}


@pytest.mark.parametrize("in_header", [True, False])
def test_settings_that_no_part_of_the_model_reads_need_not_fit(tmp_path: Path, in_header: bool) -> None:
    """A weights file outlives settings of training and of other methods; those of its own must fit."""
    said = model_settings(read_released(save_published(tmp_path / "a.pth", "sccan", small_model("sccan"))).cfg)
    said["METHOD"] |= OF_OTHERS["METHOD"]
    said["TRAIN"] = OF_OTHERS["TRAIN"]
    path = tmp_path / "best.safetensors"

    def written() -> Path:
        header = {"settings": said} if in_header else {"config_digest": "0"}
        if not in_header:
            (tmp_path / "config.yaml").write_text(yaml.safe_dump(said))
        return _own(path, {"method": "sccan", **header})

    said["METHOD"]["SCCAN"]["WINDOW"] = 4
    cfg = read_released(written()).cfg
    assert (cfg.METHOD.SCCAN.WINDOW, cfg.METHOD.TASNET.UNIT_FEATURES) == (4, defaults().METHOD.TASNET.UNIT_FEATURES)
    said["METHOD"]["SCCAN"]["GONE"] = 1
    with pytest.raises(InputError, match="unknown setting METHOD.SCCAN.GONE"):
        read_released(written())
    del said["METHOD"]["SCCAN"]["GONE"]
    with pytest.raises(InputError, match="--opts: unknown setting METHOD.TASNET.GONE"):
        read_released(written(), opts=["METHOD.TASNET.GONE", "1"])


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("pascal/SCCAN/split2/resnet50/snapshot/win8_train_epoch_43_0.6753.pth",
         {"data": "pascal", "fold": 2, "shots": 1, "epoch": 43.0, "score": 0.6753}),
        ("coco/BAM/split0/train5_epoch_47.5_0.4926.pth",
         {"data": "coco", "fold": 0, "shots": 5, "epoch": 47.5, "score": 0.4926}),
        ("checkpoint_ep90.pth.tar", {"epoch": 90.0}),
        ("epoch_40.pth", {"epoch": 40.0}),
        ("best_model.pth.tar", {}),
    ],
)  # fmt: skip
def test_facts_in_published_names(tmp_path: Path, name: str, facts: dict[str, Any]) -> None:
    assert facts_of_name(tmp_path / name, {}) == facts


def test_numbers_in_the_file_count_more_than_its_name() -> None:
    assert facts_of_name(Path("checkpoint_ep9.pth.tar"), {"epoch": 8, "acc": 0.6, "lr": 1.0}) == {
        "epoch": 8,
        "score": 0.6,
    }


@pytest.mark.parametrize(
    "header",
    [
        {"method": "sccan", "settings": "METHOD"},
        {"method": 3},
        {"method": "sccan", "settings": {"METHOD": {"NAME": ["can"]}}},
        {"method": "sccan", "settings": {"METHOD": {"NAME": "sccan", "SCCAN": {"HEADS": 3}}}},
        {"method": "sccan", "settings": {"BACKBONE": {"NAME": "small", "SMALL": {"STEM": [-1, 8, 16]}}}},
        {"method": "sccan", "settings": {"NEW": {"KEY": 1}}},
        {"method": "can", "settings": {"METHOD": {"NAME": "sccan"}}},
    ],
)
def test_unfit_headers_are_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_released(_own(tmp_path / "file.safetensors", header), opts=["DATA.FOLD", "7"]).build()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(system=st.sampled_from(sorted(SYSTEMS)), data=st.data())
def test_altered_states_are_refused_in_one_line(tmp_path: Path, system: str, data: st.DataObject) -> None:
    state = published_state(system, _model(system))
    for name in data.draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=4, unique=True)):
        change = data.draw(st.sampled_from(["remove", "rename", "reshape"]))
        value = state.pop(name)
        if change == "rename":
            state[f"{name}x"] = value
        if change == "reshape":
            state[name] = torch.zeros(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    torch.save({"state_dict": state}, tmp_path / "file.pth")
    with contextlib.suppress(InputError):  # and nothing else; a counter may be missing, an equal shape is no change
        read_released(tmp_path / "file.pth").build()


_model = functools.cache(small_model)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "entries"), [("resnet50_deep", 489), ("resnet101_deep", 744)])
def test_published_sccan_has_as_many_names_as_its_authors_saved(tmp_path: Path, backbone: str, entries: int) -> None:
    cfg = config_of({"BACKBONE": {"NAME": backbone}, "METHOD": {"NAME": "sccan"}}, "the test")
    state = NAME_TABLES["sccan"].published(build_method(cfg, range(1, 16), pretrained=False).state_dict())
    assert len(state) == entries
    torch.save(state, tmp_path / "file.pth")
    released = read_released(tmp_path / "file.pth")
    assert released.cfg.BACKBONE.NAME == backbone
    released.build()
