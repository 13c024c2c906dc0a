"""Results of two real processes, started once for all tests that look at them."""

from typing import Any

import pytest

from tests.engine.processes import launch_two


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two gloo processes found; see `tests.engine.processes.two`."""
    return launch_two(tmp_path_factory.mktemp("two"))
