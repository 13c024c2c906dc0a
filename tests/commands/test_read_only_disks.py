"""Disks that may not be written: every command that writes says so in one line, new folders and its own alike."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sccan.commands.main import main
from tests.commands import test_full_disks as full
from tests.commands import test_results_of_others as others
from tests.commands.conftest import Tiny
from tests.commands.test_results_of_others import Refusal
from tests.predict.made_up import classifier_file, segmenter_file

COMMANDS = [
    *(full._segment, full._classify, full._generate_shapes, full._train, full._prepare_classification),
    *(others._test, others._visualize, others._evaluate, others._episodes, others._mark_one, others._embed),
    *(others._prepare, others._prepare_list, others._prepare_words, others._first_look),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "none", place], check=False).returncode == 0
    if not mounted:
        pytest.skip("a disk can be mounted by root alone, and not in every container")
    yield place
    subprocess.run(["umount", place], check=True)


@contextlib.contextmanager
def _read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv.__name__.strip("_"))
def test_a_disk_that_may_not_be_written_is_one_line(
    argv: full.Callable[..., list[str]],
    tiny: Tiny,
    tmp_path: Path,
    disk: Path,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    models = {"segment": segmenter_file(tmp_path), "classify": classifier_file(tmp_path)}
    words = argv(tmp_path, models, tiny) if argv.__module__ == full.__name__ else argv(tmp_path, tiny)
    out = disk / "out"
    words = [word.replace(str(tmp_path / "out"), str(out)) for word in words]
    if (tmp_path / "out").is_dir():
        (tmp_path / "out").rename(tmp_path / "moved")
        subprocess.run(["cp", "-r", tmp_path / "moved", out], check=True)
    with _read_only(disk):
        line = refusal(main, words)
    assert str(disk) in line
    assert "Read-only file system; choose" in line
