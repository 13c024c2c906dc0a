"""The commands of the field on tiny data: train, test, score stored predictions, draw; and what they refuse."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sccan.commands import evaluate_miou, test, train, visualize
from sccan.engine.checkpoint import read_header
from sccan.segmentation.methods.sccan import PUBLISHED_NAMES
from tests.commands.conftest import Tiny

ROOT = Path(__file__).parent.parent.parent
RESULTS = "results/stratified_1shot"


def results(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())


def test_a_training_leaves_a_whole_run_folder(tiny: Tiny) -> None:
    names = {path.name for path in tiny.run.iterdir()}
    assert {"config.yaml", "environment.json", "log.jsonl", "last.pt", "best.safetensors", "tensorboard"} <= names
    header = read_header(tiny.run / "best.safetensors")
    assert (header["method"], header["backbone"], header["fold"]) == ("sccan", "small", 0)
    assert header["selection"] == "mIoU on base-class episodes"


def test_the_backbone_stays_what_the_base_run_made(tiny: Tiny) -> None:
    base = load_file(tiny.output / "shapes_split0_base" / "best.safetensors")
    method = load_file(tiny.run / "best.safetensors")
    shared = [name for name in method if name.startswith("backbone.")]
    assert len(shared) > 20
    assert all((base[name] == method[name]).all() for name in shared)


def test_a_test_writes_numbers_per_seed_and_class_and_baselines(tiny: Tiny, tmp_path: Path) -> None:
    assert test.main(["--out", str(tmp_path), *tiny.argv("TEST.BASELINES", "True")]) == 0
    record = results(tmp_path)
    assert record["episodes"] == [7, 7]
    assert [entry["number"] for entry in record["classes"]] == [1, 2, 3, 4, 5]
    assert sum(entry["episodes"] for entry in record["classes"]) == 14
    assert {entry["name"] for entry in record["baselines"]} >= {"all foreground", "prior mask, tuned"}
    assert len((tmp_path / "episodes.csv").read_text().splitlines()) == 15


def test_stored_predictions_score_the_same_digits_and_a_manifest_replays_them(tiny: Tiny, tmp_path: Path) -> None:
    argv = tiny.argv("TEST.SEEDS", "[5]", "TEST.BASELINES", "False")
    assert test.main(["--save-predictions", "--out", str(tmp_path), *argv]) == 0
    record, manifest = results(tmp_path), tmp_path / "episodes_seed5.jsonl"
    stored = tmp_path / "predictions" / "seed5"
    assert len(list(stored.iterdir())) == 7
    scores = tmp_path / "scores.json"
    argv = ["--predictions", str(stored), "--manifest", str(manifest), "--json", str(scores), *tiny.argv()]
    assert evaluate_miou.main(argv) == 0
    read = json.loads(scores.read_text())
    assert read["miou"] == record["miou"]["mean"]
    assert read["fb_iou"] == record["fb_iou"]["mean"]
    again = tmp_path / "again"
    argv = tiny.argv("TEST.SEEDS", "[77]", "TEST.BASELINES", "False")
    assert test.main(["--manifest", str(manifest), "--out", str(again), *argv]) == 0
    replayed = results(again)
    assert (replayed["seeds"], replayed["manifests"]) == ([5], record["manifests"])
    assert replayed["miou"] == record["miou"]


def test_a_missing_prediction_is_named(tiny: Tiny, tmp_path: Path, refusal) -> None:
    argv = tiny.argv("TEST.SEEDS", "[5]", "TEST.BASELINES", "False")
    test.main(["--save-predictions", "--out", str(tmp_path), *argv])
    stored = tmp_path / "predictions" / "seed5"
    (stored / "000003.png").unlink()
    argv = ["--predictions", str(stored), "--manifest", str(tmp_path / "episodes_seed5.jsonl"), *tiny.argv()]
    assert "episode 3 has no prediction" in refusal(evaluate_miou.main, argv)


@pytest.mark.parametrize("protocol", ["stratified", "hsnet"])
def test_predictions_are_scored_under_the_protocol_they_were_made_under(
    tiny: Tiny, tmp_path: Path, refusal, protocol: str
) -> None:
    settings = ["TEST.SEEDS", "[5]", "TEST.BASELINES", "False", "DATA.SKIP_SMALL_CLASSES", "True"]
    argv = tiny.argv(*settings, "TEST.PROTOCOL", protocol)
    assert test.main(["--save-predictions", "--out", str(tmp_path), *argv]) == 0
    stored, scores = tmp_path / "predictions" / "seed5", tmp_path / "scores.json"
    files = ["--predictions", str(stored), "--manifest", str(tmp_path / "episodes_seed5.jsonl")]
    assert evaluate_miou.main([*files, "--json", str(scores), *argv]) == 0
    assert json.loads(scores.read_text())["miou"] == results(tmp_path)["miou"]["mean"]
    line = refusal(evaluate_miou.main, [*files, *tiny.argv(*settings, "TEST.PROTOCOL", "sccan")])
    assert f"was made under protocol '{protocol}" in line


@pytest.mark.slow
def test_two_processes_print_the_digits_of_one(tiny: Tiny, tmp_path: Path) -> None:
    for processes, folder in ((1, "one"), (2, "two")):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        subprocess.run(
            [sys.executable, *launcher, "test_sccan.py", "--out", str(tmp_path / folder), *tiny.argv("DEVICE", "cpu")],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=240,
        )
    one, two = results(tmp_path / "one"), results(tmp_path / "two")
    assert (one.pop("processes"), two.pop("processes")) == (1, 2)
    assert one == two
    assert (tmp_path / "one/episodes.csv").read_text() == (tmp_path / "two/episodes.csv").read_text()


def test_pictures_of_a_run_are_drawn(tiny: Tiny, tmp_path: Path) -> None:
    argv = [str(tiny.run), "--first", "5", "--shown", "2", "--out", str(tmp_path)]
    assert visualize.main(argv) == 0
    page = (tmp_path / "episodes.html").read_text()
    assert page.count("<img") >= 2 * 4
    sheet = np.asarray(Image.open(tmp_path / "worst_01.png"))
    assert sheet.ndim == 3
    assert sheet.std() > 10


def test_a_finished_run_is_neither_overwritten_nor_trained_again_unasked(tiny: Tiny, refusal) -> None:
    before = (tiny.run / "best.safetensors").read_bytes()
    assert "already holds a run; continue it with --resume" in refusal(train.main, tiny.argv())
    assert train.main(["--resume", *tiny.argv()]) == 0
    assert (tiny.run / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["TRAIN.BATCHSIZE", "4"], "unknown setting TRAIN.BATCHSIZE; did you mean 'BATCH_SIZE'?"),
        (["DATA.ROOT", "/nowhere/shapes"], "data root /nowhere/shapes of shapes does not exist; make it with"),
        (["DATA.TRAIN_LIST", "lists/none.txt"], "lists/none.txt does not exist"),
        (["DATA.FOLD", "4"], "DATA.FOLD is 4, but shapes has folds 0 to 3"),
        (["DATA.MIN_PIXELS", "100000"], "is empty: no picture holds enough of its"),
        (["EPISODE.SHOTS", "300"], "but 300 shots and a query need 301; lower EPISODE.SHOTS"),
        (["BACKBONE.WEIGHTS", ""], "BACKBONE.WEIGHTS is empty, but sccan keeps its backbone frozen"),
        (["BACKBONE.WEIGHTS", "initmodel/none.pth"], "weights initmodel/none.pth do not exist"),
        (["BACKBONE.NAME", "resnet51"], "BACKBONE.NAME is 'resnet51', expected one of"),
        (["BACKBONE.NAME", "resnet50_deep"], "does not fit the model"),
        (["METHOD.NAME", "scan"], "METHOD.NAME is 'scan', expected one of"),
        (["METHOD.SCCAN.PRIOR_STAGE", "layer5"], "names 'layer5', but the backbone has layer1, layer2"),
        (["TRAIN.TRANSFORM", "publishd", "TRAIN.CACHE_VIEWS", "0"], "did you mean 'published'?"),
        (["TEST.PROTOCOL", "strat"], "TEST.PROTOCOL is 'strat', expected one of"),
        (["METHOD.SCCAN.HEADS", "3"], "cannot be shared by 3 heads"),
        (["METHOD.SCCAN.WINDOW", "9"], "METHOD.SCCAN.WINDOW is 9, but METHOD.SCCAN.GRID is 8x8"),
        (["TRAIN.BATCH_SIZE", "100000", "TRAIN.SIZE", "[4096,4096]"], "pictures of 4096x4096 takes more than"),
        (["METHOD.SCCAN.CHANNELS", "8192", "METHOD.SCCAN.DEPTH", "256"], "blocks and 8192 channels takes more than"),
        (["TEST.RESIZE", "round"], "TEST.RESIZE is 'round', expected one of"),
        (["VALIDATE.SELECT_ON", "novel"], "VALIDATE.SELECT_ON is 'novel', expected base or test_fold"),
        (["OPTIM.hed.LR", "1"], "parameter group 'hed', but the model has head, transformer; did you mean 'head'?"),
        (["DEVICE", "cuda:99"], "cuda"),
    ],
)
def test_unfit_settings_are_refused_before_anything_is_written(
    tiny: Tiny, tmp_path: Path, refusal, changes: list[str], line: str
) -> None:
    assert line in refusal(train.main, tiny.argv("OUTPUT", str(tmp_path / "new"), *changes))
    assert not (tmp_path / "new").exists()


@pytest.fixture
def copied(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.root, tmp_path / "copied"))


def _rewrite_label(copied: Path, change) -> Path:  # type: ignore[no-untyped-def]
    file = sorted((copied / "SegmentationClassAug").iterdir())[0]
    Image.fromarray(change(np.array(Image.open(file)))).save(file)
    return file


def test_a_label_of_another_size_is_refused(tiny: Tiny, copied: Path, refusal) -> None:
    file = _rewrite_label(copied, lambda label: label[:-1])
    line = refusal(train.main, tiny.argv("DATA.ROOT", str(copied), "NAME", "sizes"))
    assert f"label {file} is 64x65 (height x width), but its image" in line


def test_a_label_value_outside_the_classes_is_refused(tiny: Tiny, copied: Path, refusal) -> None:
    file = _rewrite_label(copied, lambda label: np.where(label == 0, 77, label).astype(np.uint8))
    line = refusal(train.main, tiny.argv("DATA.ROOT", str(copied), "NAME", "values"))
    assert f"label {file} holds the value 77, but the data set has classes 1..20" in line


def test_a_truncated_image_stops_with_its_name(tiny: Tiny, copied: Path, refusal) -> None:
    for file in (copied / "JPEGImages").iterdir():
        file.write_bytes(file.read_bytes()[:-200])
    line = refusal(train.main, tiny.argv("DATA.ROOT", str(copied), "NAME", "cut"))
    assert "cannot be decoded" in line
    assert "JPEGImages" in line


def test_a_missing_checkpoint_says_what_makes_it(tiny: Tiny, refusal) -> None:
    line = refusal(test.main, tiny.argv("NAME", "never_trained"))
    assert "never_trained/best.safetensors; train first" in line


def test_a_checkpoint_of_another_method_or_fold_is_refused(tiny: Tiny, refusal) -> None:
    base = str(tiny.output / "shapes_split0_base")
    line = refusal(test.main, ["--weights", base, *tiny.argv()])
    assert "is a checkpoint of method pixel_classifier, but the settings name method sccan" in line
    line = refusal(test.main, ["--weights", str(tiny.run), *tiny.argv("DATA.FOLD", "1")])
    assert "is a checkpoint of fold 0, but the settings name fold 1; it has been trained on classes" in line


def test_a_partial_or_broken_checkpoint_is_refused(tiny: Tiny, tmp_path: Path, refusal) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((tiny.run / "best.safetensors").read_bytes()[:2000])
    assert "cut.safetensors cannot be read" in refusal(test.main, ["--weights", str(cut), *tiny.argv()])
    page = tmp_path / "page.pth"
    page.write_text("<html>not found</html>")
    assert "is a web page, not weights" in refusal(test.main, ["--weights", str(page), *tiny.argv()])
    line = refusal(test.main, ["--weights", str(tiny.run), *tiny.argv("METHOD.SCCAN.DEPTH", "3")])
    assert "missing: transformer.blocks." in line


def test_a_published_checkpoint_of_parallel_training_scores_what_ours_does(tiny: Tiny, tmp_path: Path) -> None:
    state = PUBLISHED_NAMES.published(load_file(tiny.run / "best.safetensors"))
    # As the released training script writes it, from several processes: prefixed, with the state of its optimisers.
    content = {
        "epoch": 3.5,
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.05, "params": [0]}]},
    }
    published = tmp_path / "train_epoch_3.5_0.1234.pth"
    torch.save(content, published)
    argv = tiny.argv("TEST.BASELINES", "False", "TEST.PROTOCOL", "sccan", "DATA.SKIP_SMALL_CLASSES", "True")
    scores = []
    for weights in (published, tiny.run):
        folder = tmp_path / f"of_{weights.stem}"
        assert test.main(["--weights", str(weights), "--out", str(folder), *argv]) == 0
        scores.append(results(folder))
    assert scores[0]["miou"] == scores[1]["miou"]
    assert scores[0]["protocol"].startswith("sccan")
    assert scores[0]["selection"] == "unknown (the checkpoint does not say)"


def test_the_test_fold_may_choose_the_checkpoint_and_the_result_says_so(tiny: Tiny, tmp_path: Path) -> None:
    argv = tiny.argv("OUTPUT", str(tmp_path), "VALIDATE.SELECT_ON", "test_fold", "TEST.BASELINES", "False")
    assert train.main(argv) == 0
    assert test.main(argv) == 0
    record = results(tmp_path / "shapes_split0" / RESULTS)
    assert record["selection"] == "mIoU on episodes of the test fold (as published)"
