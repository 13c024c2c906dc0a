"""Long preparations: alone in their folder, stopped by any error, and whole after SIGKILL at any moment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.parallel import FEW, in_parallel
from sccan.segmentation.data.labels.raw_png import is_finished, write_label
from tests.segmentation.data.prepare.made_up import coco_archives, palette_png


def test_a_second_preparation_of_a_folder_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    line = f"another process works on {root} now (process {os.getpid()}); wait for it to end or stop it"
    with alone_in(root), pytest.raises(InputError, match=re.escape(line)), alone_in(root):
        pass
    with alone_in(root):  # free again
        pass


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".x.png.sccan-1a2b3c4d.partial").write_bytes(b"half")
    (tmp_path / "a" / ".notes.partial").write_bytes(b"somebody's")
    (tmp_path / "a" / ".folder.sccan-1a2b3c4d.partial").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"whole")
    with alone_in(tmp_path):
        assert {path.name for path in (tmp_path / "a").iterdir() if path.is_file()} == {"x.png", ".notes.partial"}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = r"cannot use the folder .*file/root: .*; choose another folder"
    with pytest.raises(InputError, match=line), alone_in(tmp_path / "file" / "root"):
        pass


def test_only_complete_raw_index_pngs_count_as_finished(tmp_path: Path) -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "x.png"
    assert not is_finished(path)
    write_label(path, label)
    assert is_finished(path)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), label)
    whole = path.read_bytes()
    for cut in (0, 5, 20, 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert not is_finished(path)
    path.write_bytes(palette_png(label))
    assert not is_finished(path)
    path.write_bytes(cv2.imencode(".png", np.zeros((3, 4, 3), np.uint8))[1].tobytes())
    assert not is_finished(path)


def square(number: int) -> int:
    if number == 77:
        raise InputError("number 77 is not welcome")
    if number == 1077:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_errors_as_they_are(workers: int) -> None:
    tasks = list(range(100, 100 + FEW + 20))
    found = list(in_parallel(square, tasks, total=len(tasks), workers=workers, title="test"))
    assert found == [n * n for n in tasks]
    tasks[FEW] = 77
    with pytest.raises(InputError, match="number 77 is not welcome"):
        list(in_parallel(square, tasks, total=len(tasks), workers=workers, title="test"))


def test_a_worker_that_is_killed_gives_one_line() -> None:
    tasks = [*range(100, 100 + FEW), 1077]
    with pytest.raises(InputError, match=r"a worker process ended before its time .*; run the same command again"):
        list(in_parallel(square, tasks, total=len(tasks), workers=2, title="test"))


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
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.parts[-2] != "cache")
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
    done = subprocess.run(prepare(undisturbed, zips, 1), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
