"""A data set of noise that the tests of classification share."""

from pathlib import Path

import pytest

from tests.classification.noise_run import write_noise


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training, five validation and four test classes of 7 to 12 pictures of 20x20, prepared."""
    return write_noise(tmp_path_factory.mktemp("noise"))
