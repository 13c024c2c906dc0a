"""Disks that take nothing more, and processes that are gone: one line, nothing half-written, and the folder is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.alone import FolderLock, alone_in
from sccan.files.arrays import array_written
from sccan.files.journal import Journal
from sccan.files.writing import remove_partial, write_bytes_atomically, write_text_atomically, written_beside
from tests.files.short_files import files_up_to

ROOT = Path(__file__).parents[2]
KILOBYTES = 64


@pytest.fixture
def short_files() -> Iterator[None]:
    with files_up_to(KILOBYTES << 10):
        yield


def by_numpy(path: Path) -> None:
    with written_beside(path) as beside, beside.open("wb") as file:
        np.save(file, np.zeros(1 << 17))


def row_by_row(path: Path) -> None:
    with array_written(path, "float64", (1 << 17,)) as writer:
        for _ in range(1 << 7):
            writer.add(np.zeros(1 << 10))


@pytest.mark.parametrize("write", [lambda path: write_bytes_atomically(path, bytes(1 << 20)), by_numpy, row_by_row])
def test_what_does_not_fit_is_one_line_and_leaves_nothing(
    write: Callable[[Path], None], tmp_path: Path, short_files: None
) -> None:
    with pytest.raises(InputError, match=r"cannot write .*/x") as error:
        write(tmp_path / "x")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_journal_that_cannot_grow_is_one_line(tmp_path: Path, short_files: None) -> None:
    def fill() -> None:
        with Journal(tmp_path / "j.jsonl", {}) as journal:
            for number in range(100):
                journal.add(f"{number}", {"long": "x" * 2000})

    with pytest.raises(InputError, match=r"cannot write .*j\.jsonl"):
        fill()
    with Journal(tmp_path / "j.jsonl", {}) as again:  # half a line is dropped
        assert 20 < len(again.records) < 40


@pytest.mark.parametrize("name", ["n" * 300, "é" * 200, "a\0b"])
def test_names_that_no_disk_takes_are_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, ValueError)) as error:
        write_text_atomically(tmp_path / name, "x")
    assert isinstance(error.value, InputError) or "null" in str(error.value)


def test_a_name_of_many_bytes_is_written(tmp_path: Path) -> None:
    assert write_text_atomically(tmp_path / ("é" * 120), "x").read_text() == "x"


def test_text_with_bytes_that_are_no_utf8_is_written(tmp_path: Path) -> None:
    assert write_text_atomically(tmp_path / "x", "a\udcffb").read_text() == "a\\udcffb"


def test_only_our_own_leftovers_are_removed(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in (".a.partial", "b.partial", ".c.sccan-123.partial", ".d.sccan-0123abcd.partia")]
    for path in (*kept, tmp_path / ".e.png.sccan-0123abcd.partial"):
        path.write_text("x")
    remove_partial(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_lock_ends_with_its_process_though_its_workers_live_on(tmp_path: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from sccan.files.alone import FolderLock
lock = FolderLock(Path({str(tmp_path / "run")!r}))
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    with pytest.raises(InputError, match=rf"now \(process {holder.pid}\)"):
        FolderLock(tmp_path / "run")
    holder.kill()
    holder.wait()
    time.sleep(0.2)
    with alone_in(tmp_path / "run"):
        pass
    os.killpg(holder.pid, signal.SIGKILL)


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path: Path) -> None:
    with pytest.raises(InputError), alone_in(tmp_path / "new"):
        raise InputError("unfit")
    assert not (tmp_path / "new").exists()
