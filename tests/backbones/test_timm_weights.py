"""Weights for networks of timm: from the hub over loopback, from files of any origin, and under which licence."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

from sccan.backbones.hub import HubWeights, fetch_weights, kept, parse_hub_name
from sccan.backbones.licenses import accept, is_accepted, require_accepted
from sccan.backbones.timm_backbone import timm_backbone
from sccan.backbones.timm_network import TimmBackbone
from sccan.backbones.timm_weights import hub_weights, is_no_file, load_named, load_timm_state
from sccan.errors import InputError
from tests.files.loopback import CONTENT, Server

NAME = "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
SERVED = f"/{NAME}/resolve/main/model.safetensors"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCCAN_ACCEPT_LICENSES", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> Server:
    """A hub that serves one name, and tells its checksum."""
    state, address = server
    monkeypatch.setenv("HF_ENDPOINT", address)
    state.files, state.sha256 = {SERVED: CONTENT}, SHA256
    return state


def _small(*stages: str) -> TimmBackbone:
    torch.manual_seed(0)
    return timm_backbone("vit_tiny_patch16_224", stages=stages or ("blocks.1",))


def _whole(model: str) -> dict[str, Tensor]:
    """A state dict as timm publishes it: with its classifier."""
    torch.manual_seed(7)
    return timm.create_model(model).state_dict()


def _serve(hub: Server, state: dict[str, Tensor]) -> None:
    content = safetensors.torch.save(state)
    hub.files, hub.sha256 = {SERVED: content}, hashlib.sha256(content).hexdigest()


# The hub


def test_the_hub_serves_what_timm_names_and_the_file_is_kept(hub: Server, cache: Path) -> None:
    state = _whole("vit_tiny_patch16_224")
    _serve(hub, state)
    backbone = _small()
    load_named(backbone, "hub", download=True)
    for name, value in backbone.net.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert (cache / "weights" / NAME / "main" / "model.safetensors").is_file()
    asked = len(hub.asked), len(hub.heads)
    load_named(_small(), f"hub:{NAME}")  # kept: no connection, and nothing to ask for
    load_named(_small(), f"hub:{NAME}", download=True)
    assert (len(hub.asked), len(hub.heads)) == asked == (1, 1)


def test_a_download_that_breaks_off_is_continued_and_so_is_one_of_a_killed_process(hub: Server, cache: Path) -> None:
    weights = HubWeights(NAME)
    hub.break_after = [200_000]
    assert fetch_weights(weights, pause=0.01).read_bytes() == CONTENT
    assert hub.asked == [None, "bytes=200000-"]
    weights.path.replace(weights.path.with_name("model.safetensors.part"))
    (weights.path.with_name("model.safetensors.part")).write_bytes(CONTENT[:70_000])
    with pytest.raises(InputError, match="are not on this machine"):  # half a download is none
        kept(weights)
    assert fetch_weights(weights).read_bytes() == CONTENT
    assert hub.asked[2:] == ["bytes=70000-"]
    assert [path.name for path in weights.path.parent.iterdir()] == ["model.safetensors"]


def test_a_file_with_another_checksum_than_announced_is_removed(hub: Server) -> None:
    hub.sha256 = "0" * 64
    line = f"model.safetensors was downloaded with SHA-256 {SHA256}, but {'0' * 64} is expected; the file was removed"
    with pytest.raises(InputError, match=re.escape(line)):
        fetch_weights(HubWeights(NAME))
    assert list(HubWeights(NAME).path.parent.iterdir()) == []


def test_a_hub_that_announces_no_checksum_is_taken_at_its_word(hub: Server) -> None:
    hub.sha256 = ""
    assert fetch_weights(HubWeights(NAME)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (
            [401],
            "the hub lets nobody fetch .*model.safetensors without a login .401.; log in with hf auth login, or fetch",
        ),
        ([403], "the hub lets nobody fetch .* without a login .403.; .* put it at .*cache.*model.safetensors"),
        ([404], f"the hub has no .*{NAME}/resolve/main/model.safetensors; check the name and the revision"),
    ],
)
def test_a_hub_that_refuses_is_one_line(hub: Server, codes: list[int], message: str) -> None:
    hub.codes = codes
    with pytest.raises(InputError, match=message) as caught:
        fetch_weights(HubWeights(NAME), pause=0.01)
    assert "\n" not in str(caught.value)
    assert not HubWeights(NAME).path.parent.exists()


def test_a_hub_that_does_not_answer_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    line = r"the hub does not answer \(http://127.0.0.1:1/timm/.*refused.*\); run the same .* bring the file to .*cache"
    with pytest.raises(InputError, match=line):
        fetch_weights(HubWeights(NAME), pause=0.01)


def test_a_cache_folder_that_cannot_be_written_is_one_line(hub: Server, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cannot write .*model.safetensors.part: .*; .*set SCCAN_CACHE to another"):
        fetch_weights(HubWeights(NAME))
    with pytest.raises(InputError, match="cannot write .*dinov3-license: .*choose another folder"):
        accept("dinov3-license")


def test_without_the_file_nothing_is_fetched_and_one_line_says_what_to_do(hub: Server) -> None:
    line = (
        f"the weights {NAME} are not on this machine; fetch them with sccan models --fetch {NAME} (or set "
        f"BACKBONE.DOWNLOAD True), or bring {HubWeights(NAME).url} to {HubWeights(NAME).path} by other means"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        load_named(_small(), "hub")
    assert hub.asked == hub.heads == []


def test_what_comes_from_the_hub_is_read_as_data_and_must_fit(hub: Server) -> None:
    with pytest.raises(InputError, match=r"model.safetensors (is no file written by torch.save|cannot be read)"):
        load_named(_small(), "hub", download=True)
    HubWeights(NAME).path.unlink()
    _serve(hub, {"weights": torch.zeros(3)})
    with pytest.raises(InputError, match=r"does not fit the model: \d+ missing: .*; 1 surplus: weights"):
        load_named(_small(), "hub", download=True)


def test_names_on_the_hub() -> None:
    assert parse_hub_name("a/b.c@v1") == HubWeights("a/b.c", "v1")
    assert str(HubWeights("a/b")) == "a/b"
    assert str(HubWeights("a/b", "v1")) == "a/b@v1"
    assert [is_no_file(text) for text in ("hub", "hub:a/b", "packaged", "hub/file.pth", "a/b")] == [True] * 3 + [
        False
    ] * 2
    for text in ("a", "a/b/c", "../b", "a b/c"):
        with pytest.raises(InputError, match="is no name on the hub; expected OWNER/NAME"):
            parse_hub_name(text)
    assert hub_weights(_small()).name == NAME
    nameless = timm_backbone("vit_tiny_patch16_224", stages=("blocks.0",))
    nameless.net.pretrained_cfg = {**nameless.net.pretrained_cfg, "hf_hub_id": None}  # type: ignore[dict-item]
    with pytest.raises(InputError, match="timm names no weights on the hub for vit_tiny_patch16_224; name them"):
        hub_weights(nameless)


# Files


def test_files_of_timm_of_the_authors_and_of_ours_give_the_same_network(cache: Path) -> None:
    torch.manual_seed(1)
    backbone, state = timm_backbone("vit_small_patch14_dinov2", stages=("blocks.1",)), _dinov2()
    load_timm_state(backbone, state, source="authors")
    assert torch.equal(backbone.net.get_parameter("blocks.1.mlp.fc1.weight"), state["blocks.1.mlp.fc1.weight"])
    again = timm_backbone("vit_small_patch14_dinov2", stages=("blocks.1",))
    load_timm_state(again, backbone.state_dict(), source="ours")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in backbone.state_dict().items())


def _dinov2() -> dict[str, Tensor]:
    """What the authors of DINOv2 publish: with a mask token and without a classifier."""
    state = dict(timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict())
    generator = torch.Generator().manual_seed(2)
    return {k: torch.randn(v.shape, generator=generator) for k, v in state.items()} | {
        "mask_token": torch.zeros(1, 384)
    }


@pytest.mark.parametrize("other", ["resnet18", "vit_small_patch16_224"])
def test_weights_of_another_network_are_refused_and_change_nothing(other: str) -> None:
    backbone = _small()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(InputError, match="somewhere does not fit the model") as caught:
        load_timm_state(backbone, _whole(other), source="somewhere")
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_no_packaged_weights_fit_another_network() -> None:
    with pytest.raises(InputError, match="no packaged weights fit vit_tiny_patch16_224; they are of tf_efficientnet"):
        load_named(_small(), "packaged")


# Licences


def test_a_licence_that_asks_for_it_is_shown_before_the_first_use_and_agreed_to_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "under the DINOv3 License .*: read https://.*dinov3.*, and if you agree, say so once with sccan models --accept"
    )
    backbone = timm_backbone("vit_small_patch16_dinov3", stages=("blocks.0",))
    for load in (
        lambda: load_named(backbone, "hub", download=True),
        lambda: load_timm_state(backbone, {"blocks.0.x": torch.zeros(1)}, source="a file"),
    ):
        with pytest.raises(InputError, match=line):
            load()
    monkeypatch.setenv("SCCAN_ACCEPT_LICENSES", "other, dinov3-license")
    assert is_accepted("dinov3-license")
    monkeypatch.delenv("SCCAN_ACCEPT_LICENSES")
    assert not is_accepted("dinov3-license")
    assert "DINOv3 License" in accept("dinov3-license").read_text()
    require_accepted("dinov3-license", "any")
    with pytest.raises(InputError, match="are not on this machine"):  # the next thing that is missing
        load_named(backbone, "hub")


def test_a_convolutional_network_with_the_same_licence_asks_too_and_others_do_not(cache: Path) -> None:
    with pytest.raises(InputError, match="the weights of convnext_tiny.dinov3_lvd1689m are under the DINOv3 License"):
        load_named(timm_backbone("convnext_tiny.dinov3_lvd1689m", stages=("stages.0",)), "hub")
    require_accepted("apache-2.0", "any")
    with pytest.raises(InputError, match="there is no licence 'dinov2' to agree to, but dinov3-license"):
        accept("dinov2")
