"""A preparation that is killed at any moment: nothing is half-written, and the next run goes on to the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from sccan.segmentation.data.labels.raw_png import is_finished
from tests.segmentation.data.prepare.made_up import coco_archives


def prepare(root: Path, zips: Path, workers: int) -> list[str]:
    given = ["--annotations", str(zips / "annotations_trainval2014.zip"), "--val-images", str(zips / "val2014.zip")]
    return [
        *(sys.executable, "-m", "sccan", "prepare", "coco", "--root", str(root), "--only", "val", "--labels", "full"),
        *(*given, "--workers", str(workers), "--cache", str(root / "cache")),
    ]


def assert_nothing_is_half_written(root: Path) -> None:
    for path in root.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix == ".png":
            assert is_finished(path), path
            assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (70, 100)
        elif path.suffix == ".jpg":
            assert path.read_bytes().endswith(b"\xff\xd9"), path
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".txt" and "sub_class" not in path.name:
            assert path.read_text().endswith("\n"), path


def files_of(root: Path) -> dict[Path, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())  # with the cached index
    return {path.relative_to(root): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("workers", "n_pictures", "step"), [(1, 160, 90), pytest.param(2, 600, 120, marks=pytest.mark.slow)]
)
def test_killed_again_and_again_a_preparation_ends_as_if_never_killed(
    tmp_path: Path, workers: int, n_pictures: int, step: int
) -> None:
    zips = tmp_path / "zips"
    coco_archives(zips, n_pictures)
    undisturbed, root = tmp_path / "undisturbed", tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(prepare(root, zips, 1), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    root.rename(undisturbed)  # an index knows where its pictures lie
    progress, kills = 0, 0
    while True:
        process = subprocess.Popen(
            prepare(root, zips, workers), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # Wait until this run has written something new, then end it without warning.
        while process.poll() is None and count_files(root) < progress + step:
            time.sleep(0.002)
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
        wait_until_still(root)  # the workers end with their parent
        assert_nothing_is_half_written(root)
        progress = count_files(root)
    assert kills >= 2
    assert process.wait() == 0
    assert files_of(root) == files_of(undisturbed)


def count_files(root: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(root))


def wait_until_still(root: Path) -> None:
    before = -1
    while (now := count_files(root)) != before:
        before = now
        time.sleep(0.3)
