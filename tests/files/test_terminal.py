"""Nothing that a terminal would obey comes out of a command, whatever names and content hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from sccan.commands.entry import run_main
from sccan.errors import InputError

def main(argv):
    print("class", {text!r})
    raise InputError("file " + {text!r} + " is unfit")

run_main(main)
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rerror: forged", "a error: forged"),
        ("a\nerror: forged", "a error: forged"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff.png", "\\udcff.png"),
        ("bell\x07", "bell\\x07"),
    ],
)
def test_control_characters_are_shown_by_their_number(text: str, shown: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    script = SCRIPT.format(text=text).replace("'\\udcff", "'\\udcff")
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert line == f"error: file {shown} is unfit"
    assert not any(ord(letter) < 32 and letter not in "\n\r" for letter in found.stdout)
    assert "\u202e" not in found.stdout


def test_a_line_is_bounded() -> None:
    script = SCRIPT.format(text="x").replace("'x'", "'x' * 100000")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert len(found.stderr.splitlines()) == 1
    assert len(found.stderr) < 2100
