"""`sccan models`: the table, weights fetched over loopback, licences agreed to, and every refusal in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

import sccan
from sccan.builders.ready import DEFAULT, READY
from sccan.commands import models
from sccan.commands.main import main as sccan_main
from sccan.errors import InputError
from tests.files.loopback import CONTENT, Server

NAME = "insid3-dinov2-small"
WEIGHTS = READY[NAME].eyes.weights
assert WEIGHTS


@pytest.fixture
def hub(tmp_path: Path, server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> Server:
    state, address = server
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCCAN_ACCEPT_LICENSES", raising=False)
    names = [ready.eyes.weights.name for ready in READY.values() if ready.eyes.weights]
    state.files = {f"/{name}/resolve/main/model.safetensors": CONTENT for name in names}
    state.sha256 = hashlib.sha256(CONTENT).hexdigest()
    return state


def test_the_table_names_method_backbone_licence_size_and_what_was_measured(
    hub: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sccan_main(["models"]) == 0
    printed = capsys.readouterr().out
    for name, ready in READY.items():
        line = next(line for line in printed.splitlines() if f" {name} " in f" {line} ")
        kept = "not fetched" if ready.eyes.weights else "installed"
        for part in (ready.eyes.model, ready.eyes.license, str(ready.eyes.megabytes), kept):
            assert part in line
    assert "Measured no: nothing was measured here" in printed
    assert hub.asked == hub.heads == []


def test_weights_are_fetched_by_name_and_then_here(hub: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["--fetch", NAME]) == 0
    assert f"{WEIGHTS}, licence apache-2.0: {WEIGHTS.path}" in capsys.readouterr().out
    assert WEIGHTS.path.read_bytes() == CONTENT
    assert models.main(["--fetch", WEIGHTS.name]) == 0
    assert len(hub.asked) == 1
    capsys.readouterr()
    assert models.main([]) == 0
    assert " here" in next(line for line in capsys.readouterr().out.splitlines() if NAME in line)


def test_packaged_weights_are_there_already(hub: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["--fetch", DEFAULT.name]) == 0
    assert "efficientnet-lite" in capsys.readouterr().out
    assert hub.asked == []


def test_a_licence_is_shown_first_and_agreed_to_once(hub: Server, refusal) -> None:  # type: ignore[no-untyped-def]
    name = "frost-dinov3-small"
    line = refusal(models.main, ["--fetch", name])
    assert "under the DINOv3 License" in line
    assert "https://" in line
    assert "sccan models --accept dinov3-license" in line
    assert hub.asked == hub.heads == []
    assert models.main(["--accept", "dinov3-license"]) == 0
    assert models.main(["--fetch", name]) == 0
    assert READY[name].eyes.weights.path.is_file()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--fetch", "insid3-dinov2-smal"], "no ready model 'insid3-dinov2-smal'; did you mean 'insid3-dinov2-small'"),
        (["--fetch", "a/b/c"], "is no name on the hub; expected OWNER/NAME"),
        (["--fetch", "some/other"], "the hub has no "),
        (["--accept", "dinov4-license"], "there is no licence 'dinov4-license' to agree to, but dinov3-license"),
    ],
)
def test_what_is_not_there_is_one_line(hub: Server, refusal, argv: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    assert message in refusal(models.main, argv)


def test_a_ready_model_segments_once_its_weights_are_fetched(hub: Server) -> None:
    """INSID3 on DINOv2-small with weights drawn here: fetched over loopback, loaded, asked for a mask."""
    assert WEIGHTS
    with pytest.raises(InputError, match=f"are not on this machine; fetch them with sccan models --fetch {WEIGHTS}"):
        sccan.load(NAME)
    torch.manual_seed(0)
    content = safetensors.torch.save(timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict())
    hub.files[f"/{WEIGHTS.name}/resolve/main/model.safetensors"] = content
    hub.sha256 = hashlib.sha256(content).hexdigest()
    assert models.main(["--fetch", NAME]) == 0
    segmenter = sccan.load(NAME, device="cpu", size=224)
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    mask = np.zeros((90, 120), bool)
    mask[20:60, 30:80] = True
    found = segmenter(sccan.Supports().add(image, mask, "thing"), image)
    assert found.labels.shape == (90, 120)
    with pytest.raises(InputError, match="cuts pictures into patches of 14 pixels; .* 224"):
        sccan.load(NAME, device="cpu", size=225)


def test_a_hub_that_does_not_answer_is_one_line(hub: Server, monkeypatch: pytest.MonkeyPatch, refusal) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "the hub does not answer (http://127.0.0.1:1/timm/" in refusal(models.main, ["--fetch", NAME])
