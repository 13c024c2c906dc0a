"""Every block of docs/own_pictures.md runs, on pictures and models made here."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from sccan.commands.main import main
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_pictures.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number in (1, 2):
        image, mask = disc(60, 80, seed=number)
        save(tmp_path / "examples" / f"{number}.jpg", image)
        save(tmp_path / "examples" / f"{number}.png", white_on_black(mask))
        save(tmp_path / "kinds" / ("cat", "dog")[number - 1] / "1.jpg", image)
    for number, name in enumerate(["first", "second", "third"]):
        save(tmp_path / "photos" / f"{name}.jpg", disc(50 + 10 * number, 75, seed=10 + number)[0])
    for make, run in ((segmenter_file, "coco_mini_split0"), (classifier_file, "can")):
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        shutil.move(make(folder), folder / "best.safetensors")
        (folder / "config.yaml").write_text("# the settings stand in the header")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_write_what_the_page_says(place: Path) -> None:
    commands = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
    assert len(commands) == 2
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "sccan"
        assert main(words) == 0
    for name in re.findall(r"^\| `(masks/[^`]+)`", PAGE, re.MULTILINE):
        assert (place / name.replace("NAME", "second")).is_file(), name
    for name in ("classified.csv", "classified.json", "classified.html", "sorted"):
        assert (place / "classified" / name).exists()


def test_the_lines_of_python_run_one_after_another(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [text for kind, text in BLOCKS if kind == "python"]
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for text in blocks:
        exec(compile(text, "own_pictures.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "('object',) (50, 75)" in printed
    assert "third.jpg" in printed
    assert Image.open(place / "first.png").size == Image.open(place / "first_overlay.jpg").size == (75, 50)
