"""BAM on tiny data through the commands of the field: base learner, meta learner, both tests, and what is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sccan.commands import evaluate_miou, test, test_gfss, train, visualize
from sccan.engine.checkpoint import read_header, read_state
from sccan.files.alone import alone_in
from sccan.segmentation.evaluation.tau import GRID
from tests.commands.conftest import Tiny

BASE, BAM = "config/shapes/shapes_split0_pspnet.yaml", "config/shapes/shapes_split0_bam.yaml"
ROOT = Path(__file__).parent.parent.parent
SMALL = ["METHOD.PSPNET.CHANNELS", "8", "METHOD.BAM.CHANNELS", "8", "METHOD.BAM.BASE_LOSS", "True"]


@pytest.fixture(scope="module")
def base(tiny: Tiny) -> Path:
    """The run folder of a tiny base learner."""
    assert train.main(tiny.argv(*SMALL, "TRAIN.SIZE", "[33,33]", "BACKBONE.WEIGHTS", "", config=BASE)) == 0
    return tiny.output / "shapes_split0_pspnet"


def bam_argv(tiny: Tiny, base: Path, *more: str) -> list[str]:
    return tiny.argv(*SMALL, "METHOD.BAM.BASE", str(base), *more, config=BAM)


@pytest.fixture(scope="module")
def bam(tiny: Tiny, base: Path) -> Path:
    """The run folder of a tiny BAM."""
    assert train.main(bam_argv(tiny, base)) == 0
    return tiny.output / "shapes_split0_bam"


def test_the_frozen_parts_stay_what_the_base_run_made(base: Path, bam: Path) -> None:
    learner, method = load_file(base / "best.safetensors"), load_file(bam / "best.safetensors")
    frozen = [name for name in method if name.startswith(("backbone.", "base_head."))]
    assert len(frozen) > 30
    for name in frozen:
        assert (method[name] == learner[name.replace("base_head.", "classifier.")]).all(), name
    header = read_header(base / "best.safetensors")
    assert (header["method"], header["fold"]) == ("pspnet", 0)
    assert header["selection"] == "pixel mIoU over base classes, pictures without novel classes"


def test_the_losses_of_both_learners_are_logged(bam: Path) -> None:
    entries = [json.loads(line) for line in (bam / "log.jsonl").read_text().splitlines()]
    losses = next(entry["losses"] for entry in entries if "losses" in entry)
    assert set(losses) == {"final", "meta", "base", "total"}
    assert losses["total"] == pytest.approx(losses["final"] + losses["meta"] + losses["base"], rel=1e-5)


def test_training_on_pictures_instead_of_views_carries_base_labels_as_well(
    tiny: Tiny, base: Path, tmp_path: Path
) -> None:
    more = ["TRAIN.CACHE_VIEWS", "0", "TRAIN.SIZE", "[41,41]", "TRAIN.EPOCHS", "1", "EPISODE.SHOTS", "2"]
    assert train.main(bam_argv(tiny, base, *more, "OUTPUT", str(tmp_path))) == 0
    assert '"base"' in (tmp_path / "shapes_split0_bam" / "log.jsonl").read_text()


def test_bam_is_tested_like_any_method_with_its_baselines(tiny: Tiny, base: Path, bam: Path, tmp_path: Path) -> None:
    assert test.main(["--out", str(tmp_path), *bam_argv(tiny, base, "TEST.BASELINES", "True")]) == 0
    record = json.loads((tmp_path / "results.json").read_text())
    assert (record["method"].lower(), record["episodes"]) == ("bam", [7, 7])
    assert {entry["name"] for entry in record["baselines"]} >= {"all foreground", "prior mask, tuned"}
    parts = {entry["name"]: entry for entry in record["parts"]}
    assert set(parts) == {"meta learner alone", "base learner alone"}
    assert parts["base learner alone"]["fb_iou"] is None
    assert 0 <= parts["meta learner alone"]["miou"]["mean"] <= 1
    assert "meta learner alone" in (tmp_path / "results.txt").read_text()


def test_stored_predictions_of_bam_are_its_ensembles(tiny: Tiny, base: Path, bam: Path, tmp_path: Path) -> None:
    argv = bam_argv(tiny, base, "TEST.SEEDS", "[3]", "TEST.BASELINES", "False")
    assert test.main(["--save-predictions", "--out", str(tmp_path), *argv]) == 0
    want = json.loads((tmp_path / "results.json").read_text())["miou"]["mean"]
    manifest, scores = tmp_path / "episodes_seed3.jsonl", tmp_path / "scores.json"
    files = ["--manifest", str(manifest), "--predictions", str(tmp_path / "predictions/seed3"), "--json", str(scores)]
    assert evaluate_miou.main([*files, *argv]) == 0
    assert json.loads(scores.read_text())["miou"] == want


def test_the_base_learner_is_scored_over_base_classes(tiny: Tiny, base: Path, capsys) -> None:
    assert test.main(["--weights", str(base), *tiny.argv(*SMALL, config=BASE)]) == 0
    assert "pixel mIoU over base classes" in capsys.readouterr().out


def test_the_backbone_of_the_base_learner_serves_sccan(tiny: Tiny, base: Path, tmp_path: Path) -> None:
    more = ["BACKBONE.WEIGHTS", str(base), "TRAIN.EPOCHS", "1", "OUTPUT", str(tmp_path)]
    assert train.main(tiny.argv(*more)) == 0


@pytest.mark.parametrize("merge", ["final", "base"])
def test_the_generalised_test_scores_base_and_novel_classes(
    tiny: Tiny, base: Path, bam: Path, tmp_path: Path, merge: str, capsys
) -> None:
    argv = ["--merge", merge, "--tau", "0.4", "--out", str(tmp_path), *bam_argv(tiny, base, "TEST.EPISODES", "9")]
    assert test_gfss.main(argv) == 0
    record = json.loads((tmp_path / "results.json").read_text())
    assert (record["merge"], record["tau"], len(record["seeds"])) == (merge, 0.4, 2)
    first = record["seeds"][0]["scores"]
    assert list(first["per_class"]) == [str(number) for number in range(1, 21)]
    assert first["novel"] == pytest.approx(sum(first["per_class"][str(n)] for n in range(1, 6)) / 5)
    assert first["base"] == pytest.approx(sum(first["per_class"][str(n)] for n in range(6, 21)) / 15)
    assert record["means"]["total"]["mean"] == pytest.approx(sum(s["scores"]["total"] for s in record["seeds"]) / 2)
    assert "novel" in capsys.readouterr().out


def test_a_threshold_may_be_chosen_on_base_classes(
    tiny: Tiny, base: Path, bam: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = bam_argv(tiny, base, "TEST.EPISODES", "9", "TEST.SEEDS", "[1]", "TEST.CALIBRATION_EPISODES", "9")
    assert test_gfss.main(["--tau", "auto", "--out", str(tmp_path), *argv]) == 0
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["tau"] in GRID
    assert record["tau_from"] == "base classes"
    assert f"threshold {record['tau']}, chosen on base classes" in capsys.readouterr().out


@pytest.mark.parametrize("tau", ["1.5", "half"])
def test_a_threshold_that_is_none_is_refused(tiny: Tiny, refusal, tau: str) -> None:
    line = refusal(test_gfss.main, ["--tau", tau, *tiny.argv(config=BAM)])
    assert f"--tau is {tau}, expected a probability from 0 up to 1, or auto" in line


@pytest.mark.slow
def test_two_processes_print_the_digits_of_one(tiny: Tiny, base: Path, bam: Path, tmp_path: Path) -> None:
    for processes, folder in ((1, "one"), (2, "two")):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        argv = bam_argv(tiny, base, "DEVICE", "cpu", "TEST.SEEDS", "[3]")
        subprocess.run(
            [sys.executable, *launcher, "tools/test_gfss.py", "--tau", "0.4", "--out", str(tmp_path / folder), *argv],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            timeout=240,
        )
    assert (tmp_path / "one/results.json").read_text() == (tmp_path / "two/results.json").read_text()


def test_a_stopped_training_resumes_to_the_same_weights(tiny: Tiny, base: Path, bam: Path, tmp_path: Path) -> None:
    """Dropout of the frozen base head included."""
    argv = bam_argv(tiny, base, "OUTPUT", str(tmp_path))
    assert train.main([*argv, "TRAIN.MAX_MINUTES", "1e-9"]) == 3
    assert train.main(["--resume", *argv]) == 0
    whole, resumed = (read_state(folder / "last.pt")["updater"]["model"] for folder in (bam, tmp_path / bam.name))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_pictures_show_what_both_learners_say(tiny: Tiny, base: Path, bam: Path, tmp_path: Path) -> None:
    argv = ["--first", "6", "--shown", "2", "--out", str(tmp_path), "--weights", str(bam), *bam_argv(tiny, base)]
    assert visualize.main(argv) == 0
    page = (tmp_path / "episodes.html").read_text()
    assert page.count("meta learner") >= 2
    assert page.count("base learner") >= 2


def test_two_generalised_tests_into_one_folder_are_refused(
    tiny: Tiny, base: Path, bam: Path, tmp_path: Path, refusal
) -> None:
    with alone_in(tmp_path):
        line = refusal(test_gfss.main, ["--out", str(tmp_path), *bam_argv(tiny, base)])
    assert f"another process works on {tmp_path} now" in line
    assert not list(tmp_path.iterdir())


def test_the_generalised_test_needs_bam(tiny: Tiny, refusal) -> None:
    assert "only bam has a base learner to merge with" in refusal(test_gfss.main, tiny.argv())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["METHOD.BAM.BASE", ""], "METHOD.BAM.BASE is empty, but bam builds on a trained base learner"),
        (
            ["METHOD.BAM.BASE", "runs/shapes_split0_pspnet_none"],
            "make it with python train_sccan.py --config=config/shapes/shapes_split0_pspnet_none.yaml",
        ),
        (["DATA.FOLD", "1"], "is a checkpoint of fold 0, but the settings name fold 1; it has been trained on classes"),
        (["DATA.N_FOLDS", "2"], "tells 16 classes apart (with the background), but fold 0 of shapes has 10 base"),
        (["BACKBONE.NAME", "vgg16"], "is a checkpoint of backbone small, but the settings name backbone vgg16"),
        (["METHOD.PSPNET.CHANNELS", "9"], "of another shape: classifier.classify.0.weight"),
        (["METHOD.BAM.SCENE_STAGE", "layer7"], "names 'layer7', but the backbone has layer1, layer2"),
    ],
)
def test_an_unfit_base_learner_or_stage_is_refused(
    tiny: Tiny, base: Path, tmp_path: Path, refusal, changes: list[str], line: str
) -> None:
    assert line in refusal(train.main, bam_argv(tiny, base, "OUTPUT", str(tmp_path / "new"), *changes))
    assert not (tmp_path / "new").exists()


def test_a_pixel_classifier_is_no_base_learner(tiny: Tiny, base: Path, refusal) -> None:
    plain = tiny.output / "shapes_split0_base"
    argv = bam_argv(tiny, plain, "NAME", "other")
    assert "is a checkpoint of method pixel_classifier, but the settings name method pspnet" in refusal(
        train.main, argv
    )


def test_an_unfinished_base_run_is_named_with_its_command(tiny: Tiny, base: Path, tmp_path: Path, refusal) -> None:
    run = tmp_path / "shapes_split0_pspnet"
    run.mkdir()
    line = refusal(train.main, bam_argv(tiny, run, "NAME", "other"))
    assert "train it first (python train_sccan.py --config=config/shapes/shapes_split0_pspnet.yaml)" in line


def test_shots_that_the_model_does_not_weigh_are_refused(tiny: Tiny, base: Path, bam: Path, refusal) -> None:
    line = refusal(test.main, bam_argv(tiny, base, "EPISODE.SHOTS", "2"))
    assert "is a checkpoint of shots 1, but the settings name shots 2" in line
