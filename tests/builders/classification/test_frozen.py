"""Methods on frozen vectors from settings: a test without a checkpoint, and what is refused."""

import json
from pathlib import Path

import pytest

from sccan.builders.classification.data import build_untrained, is_transductive
from sccan.builders.classification.frozen import TRAINING_FREE
from sccan.commands import extract_features
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.classification.noise_run import noise_options

CONFIG = "config/cifar_fs/simpleshot_lite1_5w1s.yaml"


def _options(root: Path, out: Path, *more: str) -> list[str]:
    small = ["BACKBONE.TIMM.MODEL", "tf_efficientnet_lite1", "PICTURE.SIZE", "(32, 32)", "TEST.PROTOCOL", "uniform"]
    return noise_options(root, out, *small, *more)


@pytest.mark.parametrize("name", TRAINING_FREE)
def test_every_method_is_tested_with_packaged_weights_alone(root: Path, tmp_path: Path, name: str) -> None:
    options = _options(root, tmp_path, "METHOD.NAME", name, "METHOD.ALPHA_TIM.STEPS", "3", "TEST.EPISODES", "4")
    assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
    (result,) = tmp_path.rglob("results.json")
    facts = json.loads(result.read_text())
    text = json.dumps(facts)
    assert '"nothing is trained"' in text
    assert '"packaged"' in text
    assert is_transductive(load_config(CONFIG, ["METHOD.NAME", name])) == (name not in ("simpleshot", "logistic"))


def test_the_same_test_twice_gives_the_same_digits(root: Path, tmp_path: Path) -> None:
    rows = []
    for folder in ("one", "two"):
        options = _options(root, tmp_path / folder, "TEST.PROTOCOL", "realistic", "TEST.EPISODES", "4")
        options += ["EPISODE.WAYS", "2", "EPISODE.QUERIES", "2"]
        assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
        (result,) = (tmp_path / folder).rglob("results.json")
        rows.append(json.loads(result.read_text())["seeds"])
    assert rows[0] == rows[1]


def test_stored_features_give_the_same_numbers(root: Path, tmp_path: Path) -> None:
    kept, rows = ["METHOD.FROZEN.FEATURES", str(tmp_path / "kept")], []
    assert extract_features.main(["--config", CONFIG, "--opts", *_options(root, tmp_path, *kept)]) == 0
    assert (tmp_path / "kept" / "val.features.npy").is_file()
    for folder, more in (("one", []), ("two", kept)):
        options = _options(root, tmp_path / folder, "TEST.EPISODES", "4", *more)
        assert test_command.main(["--config", CONFIG, "--opts", *options]) == 0
        (result,) = (tmp_path / folder).rglob("results.json")
        rows.append(json.loads(result.read_text())["seeds"])
    assert rows[0] == rows[1]
    other = _options(root, tmp_path, *kept, "PICTURE.SIZE", "(64, 64)")
    with pytest.raises(InputError, match="holds features of preprocessing"):
        test_command.main(["--config", CONFIG, "--opts", *other])
    several = ["BACKBONE.TIMM.STAGES", "('blocks.5','bn2')", "METHOD.FROZEN.STAGES", "('blocks.5','bn2')"]
    with pytest.raises(InputError, match="features are stored of one"):
        test_command.main(["--config", CONFIG, "--opts", *_options(root, tmp_path, *kept, *several)])


def test_refusals(root: Path, tmp_path: Path) -> None:
    options = _options(root, tmp_path)
    with pytest.raises(InputError, match="has nothing to train"):
        train_command.main(["--config", CONFIG, "--opts", *options])
    more = ["METHOD.NAME", "pt_map", "TEST.PROTOCOL", "realistic"]
    with pytest.raises(InputError, match="pt_map deals pictures evenly to the classes, but the protocol realistic"):
        test_command.main(["--config", CONFIG, "--opts", *options, *more])
    with pytest.raises(InputError, match="has no checkpoint"):
        test_command.main(["--config", CONFIG, "--weights", str(tmp_path / "x.pth"), "--opts", *options])
    with pytest.raises(InputError, match=r"BACKBONE\.WEIGHTS is empty"):
        build_untrained(load_config(CONFIG, ["BACKBONE.WEIGHTS", ""]))
    with pytest.raises(InputError, match=r"METHOD\.FROZEN\.CENTRE"):
        build_untrained(load_config(CONFIG, ["METHOD.FROZEN.CENTRE", "middle"]))
