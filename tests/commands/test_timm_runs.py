"""Methods of both tasks on networks of timm, through the commands: trained, tested, loaded again without a config."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import sccan
from sccan.backbones.packaged import packaged_backbone
from sccan.commands import test, train
from sccan.engine.checkpoint import read_header
from sccan.predict.supports import Supports
from tests.classification.noise_run import noise_options, write_noise
from tests.commands.conftest import Tiny

PSPNET, BAM = "config/shapes/shapes_split0_pspnet.yaml", "config/shapes/shapes_split0_bam.yaml"
EYES = "BACKBONE.NAME timm BACKBONE.WEIGHTS packaged BACKBONE.TIMM.OUTPUT_STRIDE 16 TEST.SEEDS [1] TEST.EPISODES 4"
STAGES = ["BACKBONE.TIMM.STAGES", "('blocks.1','blocks.2','blocks.4')"]
SHORT = "TRAIN.EPOCHS 1 TRAIN.EPISODES_PER_EPOCH 8 VALIDATE.EPISODES 4 TEST.CALIBRATION_EPISODES 4".split()
MERGED = "METHOD.SCCAN.MERGE_STAGES ('blocks.1','blocks.2') METHOD.SCCAN.PRIOR_STAGE blocks.4".split()
HEADS = "METHOD.PSPNET.STAGE blocks.4 METHOD.PSPNET.CHANNELS 8 METHOD.BAM.CHANNELS 8".split()
LEARNERS = (
    "METHOD.BAM.MERGE_STAGES ('blocks.2','blocks.1') METHOD.BAM.PRIOR_STAGE blocks.4 METHOD.BAM.SCENE_STAGE blocks.1"
).split()


def argv(tiny: Tiny, name: str, *more: str, config: str = "config/shapes/shapes_split0.yaml") -> list[str]:
    return tiny.argv(*EYES.split(), *STAGES, *SHORT, "NAME", name, *more, config=config)


def eyes(run: Path) -> dict[str, torch.Tensor]:
    """The backbone that a run has saved."""
    state = load_file(run / "best.safetensors")
    return {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}


def differing(run: Path) -> list[str]:
    """Parameters of the saved backbone that are not those of the package."""
    packaged = packaged_backbone("lite1", stages=("blocks.1", "blocks.2", "blocks.4")).state_dict()
    saved = eyes(run)
    assert set(saved) == set(packaged)
    return [name for name, value in packaged.items() if not torch.equal(value, saved[name])]


def test_sccan_on_packaged_eyes_is_trained_tested_and_loaded_without_a_config(
    tiny: Tiny, tmp_path: Path, refusal  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    assert train.main(argv(tiny, "eyes_sccan", *MERGED)) == 0
    run = tiny.output / "eyes_sccan"
    assert differing(run) == []
    assert read_header(run / "best.safetensors")["backbone"] == "timm tf_efficientnet_lite1, output stride 16"
    kept = ["TEST.FEATURE_FILES", str(tmp_path / "features")]
    assert test.main(argv(tiny, "eyes_sccan", *MERGED, *kept)) == 0
    results = next((run / "results").rglob("*.json"))
    first = json.loads(results.read_text())
    assert "timm tf_efficientnet_lite1, output stride 16" in results.read_text()
    assert test.main(argv(tiny, "eyes_sccan", *MERGED, *kept)) == 0  # from the stored features
    assert json.loads(results.read_text())["seeds"] == first["seeds"]
    line = refusal(test.main, argv(tiny, "eyes_sccan", *MERGED, "BACKBONE.TIMM.OUTPUT_STRIDE", "8"))
    assert "output stride 16, but the settings name backbone timm tf_efficientnet_lite1, output stride 8" in line
    alone = Path(shutil.copy(run / "best.safetensors", tmp_path / "model.safetensors"))
    segmenter = sccan.load(alone)
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8).numpy()
    mask = torch.zeros(48, 64, dtype=torch.uint8)
    mask[10:30, 20:50] = 1
    found = segmenter(Supports.from_arrays([image], [mask.numpy()]), image)
    assert found.labels.shape == (48, 64)
    assert "timm tf_efficientnet_lite1" in repr(segmenter)


@pytest.mark.slow
def test_bams_base_learner_tunes_the_eyes_or_keeps_them_and_bam_builds_on_it(tiny: Tiny) -> None:
    small = ["TRAIN.SIZE", "[33,33]", *HEADS]
    assert train.main(argv(tiny, "eyes_tuned", *small, config=PSPNET)) == 0
    assert differing(tiny.output / "eyes_tuned")
    assert train.main(argv(tiny, "eyes_kept", *small, "BACKBONE.TIMM.FROZEN", "True", config=PSPNET)) == 0
    assert differing(tiny.output / "eyes_kept") == []
    own = [*HEADS, *LEARNERS, "METHOD.BAM.BASE", str(tiny.output / "eyes_tuned")]
    assert train.main(argv(tiny, "eyes_bam", *own, config=BAM)) == 0
    tuned, built_on = eyes(tiny.output / "eyes_tuned"), eyes(tiny.output / "eyes_bam")
    assert all(torch.equal(value, built_on[name]) for name, value in tuned.items())
    assert test.main(argv(tiny, "eyes_bam", *own, config=BAM)) == 0


def vit(tmp_path: Path) -> list[str]:
    torch.manual_seed(0)
    weights = tmp_path / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), weights)
    stages = "BACKBONE.TIMM.STAGES ('blocks.1','blocks.11','norm') METHOD.SCCAN.MERGE_STAGES ('blocks.1','norm')"
    model = (
        f"BACKBONE.TIMM.MODEL vit_tiny_patch16_224 BACKBONE.TIMM.OUTPUT_STRIDE 0 BACKBONE.WEIGHTS {weights} {stages}"
    )
    return f"{model} METHOD.SCCAN.PRIOR_STAGE norm TEST.SIZE 64 TRAIN.SIZE [64,64] TRAIN.CACHE_VIEWS 0".split()


@pytest.mark.slow
def test_sccan_on_token_maps_is_trained_and_tested(tiny: Tiny, tmp_path: Path) -> None:
    options = vit(tmp_path)
    assert train.main(argv(tiny, "eyes_vit", *options)) == 0
    assert test.main(argv(tiny, "eyes_vit", *options)) == 0


def test_bam_masks_the_last_block_of_a_transformer_and_no_other(tiny: Tiny, tmp_path: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    options = [*vit(tmp_path), *HEADS, "METHOD.PSPNET.STAGE", "norm"]
    assert train.main(argv(tiny, "eyes_vit_base", *options, "BACKBONE.TIMM.FROZEN", "True", config=PSPNET)) == 0
    bam = "METHOD.BAM.MERGE_STAGES ('blocks.11','blocks.1') METHOD.BAM.PRIOR_STAGE norm METHOD.BAM.SCENE_STAGE blocks.1"
    base = ["METHOD.BAM.BASE", str(tiny.output / "eyes_vit_base")]
    assert train.main(argv(tiny, "eyes_vit_bam", *options, *bam.split(), *base, config=BAM)) == 0
    line = refusal(
        train.main, argv(tiny, "eyes_no", *options, *bam.replace("norm", "blocks.11").split(), *base, config=BAM)
    )
    assert "cannot continue from a map to 'blocks.11', since maps hold no class" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["TEST.SIZE", "65"], "TEST.SIZE is 65, but vit_tiny_patch16_224 cuts pictures into patches of 16 pixels; the"),
        (["TRAIN.SIZE", "[64,65]"], "TRAIN.SIZE is 64x65, but .* the nearest it can take is 64x64"),
        (["BACKBONE.TIMM.MODEL", "vit_tiny_patch61_224"], "has no model .*; did you mean 'vit_tiny_patch16_224'"),
        (["BACKBONE.TIMM.STAGES", "(0.5,)"], "vit_tiny_patch16_224 has no stage .0.5., but blocks.0 to blocks.11"),
        (["BACKBONE.WEIGHTS", "packaged"], "no packaged weights fit vit_tiny_patch16_224"),
        (["BACKBONE.WEIGHTS", "hub"], "are not on this machine; fetch them with sccan models --fetch"),
        (["METHOD.SCCAN.PRIOR_STAGE", "blocks.9"], "names 'blocks.9', but the backbone has blocks.1, blocks.11, norm"),
    ],
    ids=["test side", "training side", "model", "no stage", "packaged", "hub", "stage"],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_and_leaves_no_run(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal, options: list[str], message: str  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path))
    line = refusal(train.main, argv(tiny, "eyes_refused", *vit(tmp_path), *options))
    assert re.search(message, line)
    assert not (tiny.output / "eyes_refused").exists()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("noise"))


@pytest.mark.parametrize("frozen", [False, True])
def test_can_on_packaged_eyes_is_trained_tested_and_loaded(noise: Path, tmp_path: Path, frozen: bool) -> None:
    options = noise_options(
        noise, tmp_path, "BACKBONE.NAME", "timm", "BACKBONE.WEIGHTS", "packaged", "BACKBONE.TIMM.FROZEN", str(frozen),
        "BACKBONE.TIMM.STAGES", "('blocks.1','blocks.2','blocks.4')", "PICTURE.SIZE", "(40, 56)", "TRAIN.EPOCHS", "1",
        "TEST.SEEDS", "[1]", "METHOD.CAN.HIDDEN", "4",
    )  # fmt: skip
    argv = ["--config=config/cifar_fs/can_resnet12_5w1s.yaml", "--opts", *options]
    assert train.main(argv) == 0
    run = tmp_path / "can_resnet12_5w1s"
    assert (differing(run) == []) is frozen
    assert test.main(argv) == 0
    assert "timm tf_efficientnet_lite1" in repr(sccan.load(run))


def test_classification_refuses_what_networks_of_timm_cannot_take(noise: Path, tmp_path: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    options = noise_options(noise, tmp_path, "BACKBONE.NAME", "timm", "BACKBONE.TIMM.MODEL", "vit_tiny_patch16_224")
    argv = ["--config=config/cifar_fs/can_resnet12_5w1s.yaml", "--opts", *options]
    assert "PICTURE.SIZE is 20x24, but vit_tiny_patch16_224 cuts" in refusal(train.main, argv)
    line = refusal(train.main, [*argv, "PICTURE.SIZE", "(32, 48)", "PICTURE.CHANNELS", "bgr"])
    assert "PICTURE.CHANNELS is 'bgr', but networks of timm take 'rgb'" in line
