"""Files that version 0.1.0 wrote load, replay and go on as they did then; `stored/README.md` says what they are."""

import contextlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sccan
from sccan.commands.main import main
from sccan.settings.loading import flatten, load_config
from sccan.settings.tree import defaults

STORED = Path(__file__).parent / "stored"
SCCAN, CAN, TASNET = "runs/shapes_split0_sccan_pspnet", "runs/can_cpu_5w1s", "runs/tasnet_cpu_5w1s"
SEGMENTERS = (SCCAN, "runs/shapes_split0_bam/best.safetensors")
CLASSIFIERS = (CAN, "runs/spatialformer_cpu_5w1s/best.safetensors", TASNET)
OPTIONS = {TASNET: ["METHOD.TASNET.VECTORS", "data/words", "METHOD.TASNET.NAME_RULE", "whole"]}
ROUNDING = 1e-3
"""What other processors and versions of libraries may make of a probability or a share of pixels."""


def measured() -> dict[str, Any]:
    """What `expected.json` holds, of the files in the current folder."""
    published = flatten(load_config("published.yaml"))
    return {
        "predictions": {name: predictions(name) for name in (*SEGMENTERS, *CLASSIFIERS)},
        "published": {key: value for key, value in published.items() if value != flatten(defaults()).get(key)},
        "base_learner": base_learner(),
        "losses": losses(resumed()),
    }


def predictions(name: str) -> list[float]:
    """Probabilities by a stored model on generated pictures: at a few pixels, or of every class."""
    model = sccan.load(name, device="cpu", opts=OPTIONS.get(name, []))
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (40, 56, 3), dtype=np.uint8) // 3 + 50 * n for n in range(4)]
    if name in CLASSIFIERS:
        shown = sccan.Supports.from_arrays(pictures[:3], classes=["test0", "test1", "test2"])
        found = model(shown, pictures[3])
        assert not isinstance(found, list)
        return [round(value, 6) for value in found.probabilities.values()]
    mask = np.zeros((40, 56), bool)
    mask[10:30, 20:50] = True
    pictures[0][mask], pictures[1][5:25, 5:35] = 255, 250
    found = model(sccan.Supports.from_arrays(pictures[:1], [mask]), pictures[1])
    assert not isinstance(found, list)
    return [round(float(value), 6) for value in found.probabilities[0, ::10, ::14].flatten()]


def base_learner() -> str:
    """The scores that a test of the base learner prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(["test", "--config", "runs/shapes_split0_pspnet/config.yaml"])
    return printed.getvalue().splitlines()[-1]


def resumed() -> Path:
    """The stopped run of SCCAN, continued to its end in another folder of runs."""
    folder = Path("continued") / Path(SCCAN).name
    shutil.copytree(SCCAN, folder)
    elsewhere = ["--opts", "OUTPUT", "continued", "TRAIN.MAX_MINUTES", "0"]
    main(["train", "--resume", "--config", f"{SCCAN}/config.yaml", *elsewhere])
    return folder


def losses(run: Path) -> list[tuple[int, float]]:
    """Steps and losses of a run's log."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(line["step"], round(line["losses"]["total"], 6)) for line in lines if "losses" in line]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stored files, with the data set that they were made on."""
    folder = shutil.copytree(STORED, tmp_path_factory.mktemp("earlier") / "stored")
    shapes = ["--train", "120", "--test", "60", "--size", "65", "--workers", "1", "--seed", "7"]
    assert main(["generate_shapes", str(folder / "data" / "shapes"), *shapes]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored paths are relative to the folder of the files."""
    monkeypatch.chdir(place)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads((STORED / "expected.json").read_text())


@pytest.mark.parametrize("name", [*SEGMENTERS, *CLASSIFIERS])
def test_weights_predict_what_they_did(name: str, expected: dict[str, Any]) -> None:
    np.testing.assert_allclose(predictions(name), expected["predictions"][name], atol=ROUNDING)


@pytest.mark.parametrize("run", [SCCAN, CAN, TASNET])
def test_a_manifest_replays_the_stored_results(run: str, tmp_path: Path) -> None:
    (stored,) = Path(run).glob("results/*")
    replay = ["--manifest", str(stored / "episodes_seed1.jsonl"), "--out", str(tmp_path)]
    assert main(["test", *replay, "--config", f"{run}/config.yaml"]) == 0
    before, now = (json.loads((folder / "results.json").read_text()) for folder in (stored, tmp_path))
    assert now["manifests"] == before["manifests"]
    score = "miou" if run == SCCAN else "accuracy"
    assert now[score]["mean"] == pytest.approx(before[score]["mean"], abs=ROUNDING)


def test_a_base_learner_scores_what_it_did(expected: dict[str, Any]) -> None:
    assert base_learner() == expected["base_learner"]


def test_a_stopped_training_goes_on(expected: dict[str, Any]) -> None:
    found = losses(resumed())
    assert [step for step, _ in found] == [step for step, _ in expected["losses"]]
    np.testing.assert_allclose([loss for _, loss in found], [loss for _, loss in expected["losses"]], atol=0.02)


@pytest.mark.parametrize("config", sorted(STORED.glob("runs/*/config.yaml")), ids=lambda path: path.parent.name)
def test_the_config_of_a_run_means_what_it_did(config: Path) -> None:
    now = flatten(load_config(config))
    before = json.loads((config.parent / "settings.json").read_text())
    assert {key: now[key] for key in before} == {key: _tuple(value) for key, value in before.items()}


def test_a_published_config_means_what_it_did(expected: dict[str, Any]) -> None:
    now = flatten(load_config("published.yaml"))
    assert {key: now[key] for key in expected["published"]} == {k: _tuple(v) for k, v in expected["published"].items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def test_stored_features_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path("data/features").iterdir()}
    assert main(["extract_features", "--config", f"{TASNET}/config.yaml"]) == 0
    assert capsys.readouterr().out.count("are there") == 3
    assert before == {path: path.stat().st_mtime_ns for path in Path("data/features").iterdir()}


def _without_digest(files: dict[str, bytes]) -> dict[str, Any]:
    """Files by content; a model's digest is now that of its weights alone."""
    annotations = json.loads(files["annotations.json"])
    annotations["info"].pop("model_digest", None)
    return {**files, "annotations.json": annotations}


def test_segmenting_goes_on_in_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for line in Path("out/.segment.jsonl").read_text().splitlines()[1:]:
        record = json.loads(line)
        if record["stamp"]:  # as archives and copies with -p keep it, which git does not
            os.utime(Path("photos") / record["name"], ns=(record["stamp"][1],) * 2)
    before = Path("out/a.png").stat().st_mtime_ns
    results = {name: Path("out", name).read_bytes() for name in ("annotations.json", "classes.txt", "summary.csv")}
    places = "--support examples --images photos --out out --device cpu --batch 1".split()
    argv = ["segment", "--model", f"{SCCAN}/best.safetensors", *places]
    assert main(argv) == 0
    assert "2 pictures, 2 of them finished earlier" in capsys.readouterr().out
    found = {name: Path("out", name).read_bytes() for name in results}
    assert _without_digest(found) == _without_digest(results)
    label = Path("out/b.png").read_bytes()
    Path("out/b.png").unlink()
    assert main(argv) == 0
    assert "2 pictures, 1 of them finished earlier" in capsys.readouterr().out
    assert Path("out/a.png").stat().st_mtime_ns == before
    assert Path("out/b.png").read_bytes() == label
