"""`sccan.load` of everything that a user may name, and one clear line for what is no model."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import sccan
from sccan.builders.released.checkpoint import model_settings
from sccan.builders.released.trained import load_trained
from sccan.builders.segmentation.models import build_base_learner
from sccan.engine.checkpoint import write_weights
from sccan.errors import InputError
from sccan.predict import Classifier, Segmenter
from sccan.segmentation.methods.sccan import PUBLISHED_NAMES
from sccan.settings.loading import config_of, dump
from tests.predict.made_up import SCCAN, disc


def test_importing_the_package_is_fast_and_its_face_is_complete() -> None:
    code = "import sys, sccan; assert 'torch' not in sys.modules; assert sccan.load and sccan.Supports; print('fine')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "fine\n"
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        sccan.lod  # noqa: B018


def test_a_file_with_settings_in_its_header(segmenter_path: Path, classifier_path: Path) -> None:
    segmenter, classifier = sccan.load(segmenter_path, device="cpu"), sccan.load(classifier_path, device="cpu")
    assert isinstance(segmenter, Segmenter)
    assert isinstance(classifier, Classifier)
    assert repr(segmenter) == "Segmenter(sccan on small, 65 pixels, cpu)"
    assert repr(classifier) == "Classifier(can on resnet12, cpu)"
    assert len(segmenter.facts["model_digest"]) == 16  # type: ignore[arg-type]


def test_a_run_folder_and_the_file_in_it(segmenter_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "my_run"
    run.mkdir()
    (run / "config.yaml").write_text(dump(config_of(SCCAN, "made up")))
    with pytest.raises(InputError, match=r"my_run holds no best\.safetensors: that run has not been validated yet"):
        sccan.load(run)
    shutil.copyfile(segmenter_path, run / "best.safetensors")
    assert sccan.load(run).facts["model_digest"] == sccan.load(segmenter_path).facts["model_digest"]
    with pytest.raises(
        InputError, match=r"is no run folder: it holds my_run, and no config\.yaml; did you mean .*my_run\?"
    ):
        sccan.load(tmp_path)


def test_a_published_file_gives_the_same_masks(segmenter_path: Path, tmp_path: Path) -> None:
    state = PUBLISHED_NAMES.published(safetensors.torch.load_file(segmenter_path))
    path = tmp_path / "train_epoch_43_0.6753.pth"
    torch.save({"epoch": 43, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    untold = ["WINDOW", "4", "HEADS", "2", "GRID", "[8,8]"]
    opts = [f"METHOD.SCCAN.{word}" if number % 2 == 0 else word for number, word in enumerate(untold)]
    ours = sccan.load(segmenter_path, device="cpu")
    published = sccan.load(path, device="cpu", opts=[*opts, "TEST.SIZE", "65", "TEST.PROTOCOL", "stratified"])
    assert published.trained.note.startswith("SCCAN, small")
    image, mask = disc(60, 80)
    supports, other = sccan.Supports().add(image, mask), disc(50, 70, seed=3)[0]
    np.testing.assert_array_equal(
        published(supports, other).probabilities,  # type: ignore[union-attr]
        ours(supports, other).probabilities,  # type: ignore[union-attr]
    )


def test_the_wrong_kind_of_model_for_a_call(segmenter_path: Path, classifier_path: Path) -> None:
    with pytest.raises(InputError, match=r"tells pictures apart \(can\) and makes no masks; use sccan classify"):
        Segmenter(load_trained(classifier_path))
    with pytest.raises(InputError, match=r"makes masks \(sccan\) and tells no pictures apart; use sccan segment"):
        Classifier(load_trained(segmenter_path))
    with pytest.raises(InputError, match="is a classifier, which has a picture size of its own"):
        sccan.load(classifier_path, size=97)


def test_a_base_learner_is_refused(tmp_path: Path) -> None:
    cfg = config_of({**SCCAN, "METHOD": {"NAME": "pixel_classifier"}}, "made up")
    learner = build_base_learner(cfg, 4)
    write_weights(tmp_path / "base.safetensors", learner.state_dict(), {"settings": model_settings(cfg)})
    with pytest.raises(
        InputError, match="is no few-shot method .*: it knows only the classes it was trained on; give one"
    ):
        sccan.load(tmp_path / "base.safetensors")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


@pytest.mark.parametrize(
    ("name", "make", "line"),
    [
        ("none.pth", lambda path: None, "there is no model .*none.pth; expected a run folder"),
        ("run.yaml", lambda path: path.write_text("SEED: 1"), "is a config, not a model; name the run folder"),
        ("page.pth", lambda path: path.write_text("<html><body>404</body></html>"), "is a web page, not weights"),
        ("empty.pth", lambda path: path.write_bytes(b""), "is empty; fetch it again"),
        ("other.pth", _zip, "is an archive of something else"),
        ("text.safetensors", lambda path: path.write_text("hello " * 99), "text.safetensors"),
        ("bare.pth", lambda path: torch.save({"weight": torch.zeros(3)}, path), "is no checkpoint of any system here"),
    ],
)
def test_what_is_no_model_is_one_clear_line(tmp_path: Path, name: str, make, line: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / name)
    with pytest.raises(InputError, match=line) as caught:
        sccan.load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_short(segmenter_path: Path, tmp_path: Path) -> None:
    content = segmenter_path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.safetensors"):
        sccan.load(tmp_path / "cut.safetensors")
    torch.save({"weight": torch.zeros(3000)}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.pth is cut short"):
        sccan.load(tmp_path / "cut.pth")
