"""The worked example of docs/your_own_data.md does what it says, line by line."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (CHECKOUT / "docs" / "your_own_data.md").read_text(), re.DOTALL)
COMMANDS = {"train_sccan.py": "train", "test_sccan.py": "test"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the example, from which the checkout's configs can be named as they stand."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "config").symlink_to(CHECKOUT / "config")
    files = [text for kind, text in BLOCKS if kind in ("python", "yaml")]
    for name, text in zip(("make_my_photos.py", "my_photos.yaml", "my_photos_base.yaml"), files, strict=True):
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("SCCAN_CACHE", str(place / "cache"))


def run_block(number: int) -> str:
    """Runs every line of the bash block of that number, in this process, and returns what they print."""
    printed = ""
    for line in [text for kind, text in BLOCKS if kind == "bash"][number].splitlines():
        words, _, target = line.partition(" > ")
        python, script, *argv = shlex.split(words)
        assert python == "python"
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            if script in COMMANDS or script.startswith("tools/"):
                name = COMMANDS.get(script, Path(script).stem)
                assert (CHECKOUT / script).is_file()
                assert importlib.import_module(f"sccan.commands.{name}").main(argv) == 0, output.getvalue()
            else:
                runpy.run_path(script, run_name="__main__")
        if target:
            Path(target).write_text(output.getvalue())
        printed += output.getvalue()
    return printed


def test_the_example_is_examined_and_its_episodes_are_written(place: Path) -> None:
    text = run_block(0)
    assert "fold 0 val:" in text
    assert "0 errors, 0 warnings: training could start" in text
    assert json.loads((place / "findings.json").read_text())["could_start"] is True
    assert sorted(path.name for path in (place / "my_photos").iterdir()) == ["folds.txt", "images", "labelme"]
    text = run_block(1)
    assert "fits the data set of the config" in text
    assert "3 kite" in text
    assert "class 3: query photo" in text


def test_the_example_is_trained_and_tested(place: Path) -> None:
    if not (place / "my_episodes").exists():
        run_block(0)
        run_block(1)
    text = run_block(2)
    assert "folder" in text
    assert "results:" in text
