"""A small data set on disk, drawn from numbers, shared by the tests of segmentation."""

from pathlib import Path

import pytest

from sccan.episodes.index import ClassIndex
from sccan.reference import tiny_dataset
from sccan.segmentation.data.sets.lists import read_list
from sccan.segmentation.data.sets.scan import build_index

CLASSES = tuple(f"thing {number}" for number in range(1, 9))


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 training and 10 validation pictures of 8 classes, in the layout of PASCAL VOC; not to be written to."""
    root = tmp_path_factory.mktemp("tiny")
    tiny_dataset.build(str(root), classes=len(CLASSES), train=24, val=10, seed=3)
    return root


@pytest.fixture(scope="session")
def tiny_index(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ClassIndex:
    """The index of the training pictures."""
    pairs = read_list(tiny_root / "train.txt", tiny_root)
    return build_index(tiny_root, pairs, CLASSES, cache=tmp_path_factory.mktemp("cache"), progress=False)
