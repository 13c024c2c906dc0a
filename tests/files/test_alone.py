"""One process at a time in a folder: a second one is refused, and what a killed one left is removed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.files.alone import alone_in


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
    (tmp_path / "a" / ".folder.sccan-1a2b3c4d.partial" / ".y.sccan-1a2b3c4d.partial").write_bytes(b"half")
    (tmp_path / "a" / "x.png").write_bytes(b"whole")
    with alone_in(tmp_path):
        assert {path.name for path in (tmp_path / "a").iterdir()} == {"x.png", ".notes.partial"}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = r"cannot use the folder .*file/root: .*; choose another folder"
    with pytest.raises(InputError, match=line), alone_in(tmp_path / "file" / "root"):
        pass
