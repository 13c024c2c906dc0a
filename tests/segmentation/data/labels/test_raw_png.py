"""Label images as raw index PNGs: what is written is whole, and nothing else counts as finished."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from sccan.segmentation.data.labels.raw_png import is_finished, write_label
from tests.segmentation.data.prepare.made_up import palette_png


def test_only_complete_raw_index_pngs_count_as_finished(tmp_path: Path) -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "x.png"
    assert not is_finished(path)
    write_label(path, label)
    assert is_finished(path)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), label)
    whole = path.read_bytes()
    os.mkfifo(tmp_path / "pipe.png")
    assert not is_finished(tmp_path / "pipe.png")
    for cut in (0, 5, 20, 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert not is_finished(path)
    path.write_bytes(palette_png(label))
    assert not is_finished(path)
    path.write_bytes(cv2.imencode(".png", np.zeros((3, 4, 3), np.uint8))[1].tobytes())
    assert not is_finished(path)
