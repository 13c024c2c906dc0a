"""A headless Chromium, folders of leaves, and windows on them.

SCCAN_CHROMIUM names another Chromium; SCREENSHOTS a folder that pictures for the documentation are written into.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sccan.predict.segmenter import Segmenter
from sccan.segmentation.data.shapes.leaves import draw_leaf
from tests.page.browser.servers import InThread, Process, Server
from tests.page.browser.window import Watch, Window
from tests.predict.made_up import save, segmenter_file

try:
    from playwright import sync_api
except ModuleNotFoundError:
    sync_api = None

CHROMIUM = os.environ.get("SCCAN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
MISSING = "" if CHROMIUM else "there is no Chromium: apt-get install chromium"
MISSING = MISSING if sync_api else "Playwright is not installed: pip install -e '.[dev]'"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WIDE = {"width": 1280, "height": 800}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
LEAVES = 14

Leaves = list[tuple[np.ndarray, np.ndarray]]
Screenshot = Callable[[Window, str], None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Left out where they cannot run; asked for by name, they must run."""
    if MISSING and config.option.markexpr == "browser":
        raise pytest.UsageError(MISSING)
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: quick, and good for nothing but to see masks come."""
    return segmenter_file(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def leaves() -> Leaves:
    """Pictures of leaves, and where their spots are."""
    return [draw_leaf(np.random.default_rng([3, number])) for number in range(LEAVES)]


@pytest.fixture
def folder(tmp_path: Path, leaves: Leaves) -> Path:
    for number, (image, _) in enumerate(leaves, 1):
        save(tmp_path / "leaves" / f"leaf_{number:02}.jpg", image, quality=95)
    return tmp_path / "leaves"


class Visits:
    """Opens windows, and the servers behind them."""

    def __init__(self, chromium: Any, watch: Watch, folder: Path, segmenter: Segmenter) -> None:
        self._chromium, self._watch, self._folder, self._segmenter = chromium, watch, folder, segmenter
        self._servers: list[Server] = []
        self._contexts: list[Any] = []

    def __call__(self, *classes: str, folder: Path | None = None, **options: Any) -> Window:
        """A window on a folder that gets a server in this process, with the small model.

        Args:
            classes: to begin with.
            folder: another one than that of the leaves.
            options: of the window, as Playwright takes them.
        """
        self._servers.append(InThread(folder or self._folder, self._segmenter, [*classes]))
        return self.of(self._servers[-1], **options)

    def of(self, server: Server, **options: Any) -> Window:
        """A window on a server that is there."""
        self._contexts.append(self._chromium.new_context(**{"viewport": WIDE, **options}))
        return Window(self._contexts[-1], server, self._watch)

    def process(self, *options: str) -> Process:
        """`sccan label` on the leaves, as a process of its own."""
        server = Process(self._folder, *options)
        self._servers.append(server)
        return server

    def close(self) -> None:
        for one in self._contexts:
            one.close()
        for server in self._servers:
            server.stop()


@pytest.fixture
def visit(chromium: Any, folder: Path, segmenter: Segmenter) -> Iterator[Visits]:
    """Windows; at the end none of them may have had anything go wrong."""
    watch = Watch()
    visits = Visits(chromium, watch, folder, segmenter)
    yield visits
    visits.close()
    assert watch.wrong == []


@pytest.fixture
def screenshot() -> Screenshot:
    """Writes a picture for the documentation, where one was asked for."""

    def write(window: Window, name: str) -> None:
        if target := os.environ.get("SCREENSHOTS"):
            window.loaded()
            picture = Image.open(io.BytesIO(window.page.screenshot())).convert("RGB")
            picture.save(Path(target) / f"{name}.webp", quality=82, method=6)

    return write
