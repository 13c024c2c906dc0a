"""Small folders and a small segmenter, for the tests of the page."""

from pathlib import Path

import numpy as np
import pytest

from sccan.builders.released.trained import load_trained
from sccan.page.places import find_gallery
from sccan.page.serving import claimed
from sccan.page.store import Store
from sccan.predict.segmenter import Segmenter
from tests.predict.made_up import disc, save, segmenter_file

SIZE = (48, 64)
NAMES = ("a.jpg", "b.png", "more/c.jpg", "more/d.jpg")


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """A SCCAN with random weights."""
    return Segmenter(load_trained(segmenter_file(tmp_path_factory.mktemp("model"))), device="cpu", batch=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures with a disc each, two of them in a sub-folder."""
    for seed, name in enumerate(NAMES):
        save(tmp_path / "photos" / name, disc(*SIZE, seed=seed)[0])
    return tmp_path / "photos"


@pytest.fixture
def store(folder: Path) -> Store:
    """An empty store of the folder."""
    with claimed(folder):
        return Store(find_gallery(folder))


def drawn(*, value: int = 1) -> np.ndarray:
    """A label map with a rectangle in it."""
    label = np.zeros(SIZE, np.uint8)
    label[10:30, 20:45] = value
    return label
