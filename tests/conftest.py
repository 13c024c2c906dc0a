"""Settings of every test: one thread per process, so that runs are repeatable and two cores are enough.

Examples of property tests are the same in every run, and may take as long as a busy machine needs.
"""

import os
import tempfile

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """What is made once and kept, such as graphs, is kept for all tests of a run, and not in the user's folder."""
    if "SCCAN_CACHE" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="sccan-cache-")
        os.environ["SCCAN_CACHE"] = folder.name  # processes that run tests too inherit it
        config.add_cleanup(folder.cleanup)


pytest_plugins = ["tests.files.loopback"]
