"""Models and folders that several tests share."""

from pathlib import Path

import pytest

from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black


@pytest.fixture(scope="session")
def segmenter_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return segmenter_file(tmp_path_factory.mktemp("segmenter"))


@pytest.fixture(scope="session")
def classifier_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier_file(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Two annotated pictures of one class, of different sizes."""
    for number, size in enumerate([(60, 80), (90, 70)]):
        image, mask = disc(*size, seed=number)
        save(tmp_path / "examples" / f"{number}.jpg", image)
        save(tmp_path / "examples" / "masks" / f"{number}.png", white_on_black(mask))
    return tmp_path / "examples"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures, one of them in a sub-folder."""
    for number, name in enumerate(["a.jpg", "b.png", "c.jpg", "more/d.jpg"]):
        save(tmp_path / "photos" / name, disc(50 + 10 * number, 75, seed=10 + number)[0])
    return tmp_path / "photos"
