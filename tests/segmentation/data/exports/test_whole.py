"""A folder that an export takes the place of is an export, and stays one whenever the process is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sccan.segmentation.data.exports import whole
from sccan.segmentation.data.exports.labelled import Labelled
from tests.predict.made_up import save


def test_the_earlier_export_is_moved_away_before_a_file_of_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.jpg", np.zeros((20, 30, 3), np.uint8))
    label = np.zeros((20, 30), np.uint8)
    label[5:9, 4:12] = 1

    def export() -> None:
        pictures = [Labelled("a.jpg", tmp_path / "a.jpg", label)]
        whole.write_export(tmp_path / "out" / "png", "png", pictures, ["dog"], names=["a.jpg"])

    export()
    before = sorted(path.name for path in (tmp_path / "out" / "png").rglob("*"))
    remove, seen = shutil.rmtree, []

    def watched(path: Path, **options: bool) -> None:
        seen.append((path.name, sorted(one.name for one in (tmp_path / "out" / "png").rglob("*"))))
        remove(path, **options)

    monkeypatch.setattr(whole.shutil, "rmtree", watched)
    export()
    assert seen
    assert all(name.endswith(".partial") and files == before for name, files in seen)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["png"]
