"""INSID3 and FROST by the commands of the field: tested without a training, the same in any batch, never trained."""

import json
from pathlib import Path

import pytest

from sccan.commands import test, train
from tests.commands.conftest import Tiny

METHODS = ("insid3", "frost")


def _argv(tiny: Tiny, name: str, *more: str) -> list[str]:
    return tiny.argv(
        "METHOD.NAME", name, "METHOD.INSID3.SOFT", "True", "METHOD.FROST.RADIUS", "2.0", "TEST.SEEDS", "[3]", *more
    )


def _record(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("name", METHODS)
def test_a_test_needs_the_weights_of_the_backbone_alone(name: str, tiny: Tiny, tmp_path: Path) -> None:
    more = ("TEST.BASELINES", "True", "EPISODE.SHOTS", "2")
    assert test.main(["--out", str(tmp_path / "one"), *_argv(tiny, name, *more)]) == 0
    record = _record(tmp_path / "one")
    assert record["episodes"] == [7]
    assert record["selection"] == "nothing is trained"
    assert str(record["checkpoint"]).endswith("shapes_split0_base")
    assert len(str(record["checkpoint_digest"])) == 16
    assert {entry["name"] for entry in record["baselines"]} >= {"all foreground", "prior mask, tuned"}
    files = ("TEST.FEATURE_FILES", str(tmp_path / "features"), "TEST.CACHE_GB", "0.00001", "EPISODE.SHOTS", "2")
    for folder in ("written", "read"):
        argv = ["--out", str(tmp_path / folder), *_argv(tiny, name, "TEST.BATCH_SIZE", "3", *files)]
        assert test.main(argv) == 0
        assert _record(tmp_path / folder)["miou"] == record["miou"]


@pytest.mark.parametrize("name", METHODS)
def test_there_is_nothing_to_train_and_no_checkpoint_to_give(name: str, tiny: Tiny, refusal) -> None:
    line = refusal(train.main, _argv(tiny, name))
    assert line == f"error: METHOD.NAME is {name!r}, which has nothing to train; test it, or choose another method"
    line = refusal(test.main, ["--weights", str(tiny.run), *_argv(tiny, name)])
    assert f"{name} has no checkpoint, since nothing of it is trained" in line


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("BACKBONE.WEIGHTS", ""), "BACKBONE.WEIGHTS is empty, but insid3 keeps its backbone frozen"),
        (("METHOD.INSID3.STAGES", "['layer5']"), "METHOD.INSID3.STAGES names 'layer5', but the backbone has layer1"),
        (("METHOD.NECK", "tsf"), "takes no plug-ins"),
    ],
)
def test_what_does_not_fit_is_one_line(more: tuple[str, ...], line: str, tiny: Tiny, refusal) -> None:
    assert line in refusal(test.main, _argv(tiny, "insid3", *more))
