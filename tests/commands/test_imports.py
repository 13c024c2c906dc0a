"""What commands do not import: every heavy package that they do not use is a second or more before the first mask."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sccan.segmentation.data.exports.formats import FORMATS
from sccan.segmentation.data.exports.names import FORMAT_NAMES
from sccan.segmentation.data.shapes.leaves import write_leaves

NEVER_BY_DEFAULT = (
    *("albumentations", "fastapi", "h5py", "huggingface_hub", "onnxruntime", "scipy", "skimage", "sklearn"),
    *("sympy", "tensorboard", "timm", "torch._dynamo", "torch._inductor", "torchvision"),
)
"""Modules that the default models do without."""
WITHOUT_EXTRAS = ("--engine", "torch")
"""What is taken where no extra is installed."""
NEVER_FOR_HELP = (*NEVER_BY_DEFAULT, "PIL", "cv2", "msgspec", "numpy", "torch", "yacs")
RUN = """
import json, sys
from sccan.commands.main import main
try:
    code = main(sys.argv[2:])
except SystemExit as error:
    code = error.code
print(json.dumps([code, [name for name in json.loads(sys.argv[1]) if name in sys.modules]]))
"""


def imported(words: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of the modules a command imports."""
    run = subprocess.run([sys.executable, "-c", RUN, json.dumps(names), *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    code, found = json.loads(run.stdout.splitlines()[-1])
    assert code == 0, run.stdout
    return list(found)


@pytest.mark.parametrize("command", ["", "segment", "classify", "embed", "label"])
def test_help_needs_nothing_but_python(command: str) -> None:
    assert imported([*command.split(), "--help"], NEVER_FOR_HELP) == []


def test_segment_imports_only_what_its_model_uses(tmp_path: Path) -> None:
    photos, examples = write_leaves(tmp_path, count=2)
    words = ["--support", str(examples), "--images", str(photos), "--out", str(tmp_path / "out"), *WITHOUT_EXTRAS]
    assert imported(["segment", *words], NEVER_BY_DEFAULT) == []
    with_another = [*words, "--overwrite", "--model", "insid3-lite1", "--size", "128"]
    assert "scipy" in imported(["segment", *with_another], ("scipy",)), "the list above would name what is used"


@pytest.mark.slow
def test_a_graph_that_is_kept_needs_nothing_but_its_engine(tmp_path: Path) -> None:
    photos, examples = write_leaves(tmp_path, count=2)
    words = ["segment", "--support", str(examples), "--images", str(photos), "--size", "128", "--engine", "onnx"]
    for out in ("first", "second"):
        found = imported([*words, "--out", str(tmp_path / out)], (*NEVER_BY_DEFAULT, "onnx"))
    assert found == ["onnxruntime"]


@pytest.mark.slow
def test_classify_imports_only_what_its_model_uses(tmp_path: Path) -> None:
    photos, _ = write_leaves(tmp_path, count=3)
    for number, photo in enumerate(sorted(photos.iterdir())[:2]):
        kind = tmp_path / "kinds" / f"kind{number}"
        kind.mkdir(parents=True)
        (kind / photo.name).write_bytes(photo.read_bytes())
    words = ["--support", str(tmp_path / "kinds"), "--images", str(photos), "--out", str(tmp_path / "out")]
    words += WITHOUT_EXTRAS
    assert imported(["classify", *words], NEVER_BY_DEFAULT) == []


def test_the_names_in_help_are_those_of_the_formats() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES


def test_the_page_of_label_is_there_before_torch() -> None:
    needed = "import json, sys, sccan.commands.label, sccan.page.opening, sccan.page.places, sccan.page.serving"
    told = f"{needed}; print([name for name in {('torch', 'fastapi')!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
