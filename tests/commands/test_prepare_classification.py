"""The preparing command on a folder of pictures, and what it says."""

from pathlib import Path

import pytest

from sccan.classification.data.formats.prepared import read_prepared
from sccan.commands.prepare_classification import main
from sccan.errors import InputError
from tests.classification.data.formats.test_trees import put


def _folders(root: Path) -> None:
    for name in ("train/ant/1.png", "train/bee/1.png", "test/cow/7.png"):
        put(root / name)


def test_folders_become_one_array_per_split_and_the_command_says_how_to_use_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folders(tmp_path / "in")
    words = ["--source", str(tmp_path / "in"), "--to", str(tmp_path / "out"), "--resize", "5", "7", "--name", "toy"]
    assert main(words) == 0
    assert read_prepared(tmp_path / "out")["train"].read(1).shape == (5, 7, 3)
    said = capsys.readouterr().out
    assert "train: 2 pictures of 2 classes, 1 each" in said
    assert f"--opts DATA.ROOT {tmp_path / 'out'}" in said


def test_data_of_another_list_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    _folders(tmp_path / "in")
    words = ["--source", str(tmp_path / "in"), "--to", str(tmp_path / "out"), "--classes", "cifar-fs"]
    with pytest.raises(InputError, match=r"lists for train: 1 not listed \(ant\), 63 missing"):
        main(words)
    assert not (tmp_path / "out").exists()
