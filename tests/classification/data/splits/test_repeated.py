"""One picture in two classes or splits is refused where a list names it, and told where its content says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from sccan.classification.data.datasets import Source, open_splits
from sccan.classification.data.prepare import prepare
from sccan.classification.data.splits.repeated import WHAT, repeated_files, repeated_pictures
from sccan.commands.doctor import _examine_classification
from sccan.errors import InputError
from sccan.settings.loading import load_config

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
TWICE = {"train": {"ant": [0, 1], "bee": [1, 2]}, "test": {"cow": [3, 0]}}
"""Split -> class -> numbers of pictures; 1 stands in two classes, 0 in two splits."""


def _folders(root: Path) -> None:
    for split, classes in TWICE.items():
        for name, numbers in classes.items():
            (root / split / name).mkdir(parents=True)
            for number in numbers:
                cv2.imwrite(str(root / split / name / f"{number}.png"), PICTURES[number])


def _torchmeta(root: Path) -> None:
    root.mkdir(exist_ok=True)
    for split, classes in TWICE.items():
        with h5py.File(root / f"{split}_data.hdf5", "w") as stored:
            for name, numbers in classes.items():
                stored[f"datasets/{name}"] = PICTURES[numbers]


def _csv(root: Path, classes: dict[str, dict[str, list[int]]] = TWICE) -> None:
    (root / "images").mkdir(parents=True)
    for number, picture in enumerate(PICTURES):
        cv2.imwrite(str(root / "images" / f"{number}.png"), picture)
    for split, own in classes.items():
        rows = [f"{number}.png,{name}" for name, numbers in own.items() for number in numbers]
        (root / f"{split}.csv").write_text("\n".join(["filename,label", *rows]) + "\n")


@pytest.mark.parametrize("write", [_folders, _torchmeta], ids=["folders", "torchmeta"])
def test_the_same_content_in_two_classes_is_counted_in_a_line(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "in")
    (line,) = [line for line in prepare(Source(tmp_path / "in"), tmp_path / "out") if WHAT in line]
    assert line.startswith(f"{WHAT}: 2 (train/ant/")
    assert " = train/bee/" in line
    assert " = test/cow/" in line
    told = repeated_pictures(open_splits(Source(tmp_path / "out")))
    assert told.lines() == [line]  # of what was prepared as of what it was prepared from


def test_doctor_says_what_prepare_classification_says(tmp_path: Path) -> None:
    _folders(tmp_path / "in")
    cfg = load_config("config/cifar_fs/can_cpu_5w1s.yaml", ["DATA.ROOT", str(tmp_path / "in"), "DATA.CLASS_LIST", ""])
    said = [finding.message for finding in _examine_classification(cfg)]
    assert [line for line in said if WHAT in line] == [
        line for line in prepare(Source(tmp_path / "in"), tmp_path / "out") if WHAT in line
    ]


def test_a_list_that_names_a_picture_twice_is_refused(tmp_path: Path) -> None:
    _csv(tmp_path / "csv")
    with pytest.raises(InputError, match=r"1\.png twice; every picture is one, and has one class"):
        open_splits(Source(tmp_path / "csv"))
    listed = {"label_names": ["a", "b"], "image_names": ["0.png", "./0.png"], "image_labels": [0, 1]}
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "base.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match=r"0\.png twice; every picture is one"):
        open_splits(Source(tmp_path / "json"))


@pytest.mark.parametrize("name", ["val.csv", "val_data.hdf5", "val.pth", "val.json", "splits/bertinetto/val.txt"])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_split_that_is_no_file_is_no_missing_split(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name.replace("val", "test")).touch()
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="val.* (is a folder; expected a file|does not exist)"):
        open_splits(Source(tmp_path), direct=False)


def test_a_picture_of_two_splits_is_told_from_the_lists_alone(tmp_path: Path) -> None:
    _csv(tmp_path, {"train": {"ant": [0], "bee": [1]}, "test": {"cow": [1, 2]}})
    assert repeated_files(open_splits(Source(tmp_path))).lines() == [f"{WHAT}: 1 (train/bee/1 = test/cow/1)"]
