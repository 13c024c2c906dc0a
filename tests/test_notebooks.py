"""The notebooks run from top to bottom, on pictures that they draw themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sccan.builders.ready import DEFAULT

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.slow
@pytest.mark.skipif(not DEFAULT.eyes.here, reason="the weights' package is not installed")
def test_one_is_marked_and_the_rest_is_found(tmp_path: Path) -> None:
    found = _executed("mark_one_find_the_rest", "iou", tmp_path)
    assert len(found) == 5
    assert min(found) > 0.5
    assert sum(found) / len(found) > 0.8


@pytest.mark.slow
def test_a_published_checkpoint_is_read_and_tested(tmp_path: Path) -> None:
    same, miou = _executed("test_a_published_checkpoint", "[same, miou]", tmp_path)
    assert same
    assert len(miou["per_seed"]) == 2
    assert all(0 < value < 0.5 for value in miou["per_seed"])


def _executed(name: str, wanted: str, folder: Path) -> Any:
    """What a variable holds once a notebook has run; nothing of it is kept."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "it is committed without outputs"
    book.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({wanted}))"))
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    (output,) = book.cells[-1]["outputs"]
    return json.loads(output["text"])
