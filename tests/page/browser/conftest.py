"""A server as a process, a headless Chromium, and a watch over what the page's console says.

SCCAN_CHROMIUM names another Chromium; SCREENSHOTS a folder that pictures for the documentation are written into.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sccan.files.decoding import read_label
from sccan.segmentation.data.shapes.leaves import draw_leaf
from tests.predict.made_up import save, segmenter_file

try:
    from playwright import sync_api
except ModuleNotFoundError:
    sync_api = None

CHROMIUM = os.environ.get("SCCAN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
MISSING = "" if CHROMIUM else "there is no Chromium: apt-get install chromium"
MISSING = MISSING if sync_api else "Playwright is not installed: pip install -e '.[dev]'"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PATIENCE = 90_000  # milliseconds; a busy machine is no failure
WIDE = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=MISSING))


class Server:
    """`sccan label` as a process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "sccan", "label", str(self.folder), "--no-browser", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return
        raise AssertionError("".join(said))

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        if self.process.poll() is None:
            self.kill()

    def label(self, name: str) -> np.ndarray:
        """The mask of a picture as it lies in the folder."""
        return read_label(self.folder / ".sccan" / "masks" / f"{name}.png")


class Watch:
    """What went wrong in a page: errors of its console and its scripts, requests that failed or were refused."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.sleeps = False

    def over(self, page: Any) -> Any:
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: message.type in ("error", "warning") and self.note(message.text))
        page.on("pageerror", lambda error: self.note(str(error)))
        page.on("requestfailed", self.failed)
        page.on("response", lambda answer: answer.status >= 400 and self.note(f"{answer.url}: {answer.status}"))
        return page

    def failed(self, request: Any) -> None:
        """A page that is left or loaded again ends its stream of events itself, which is no failure."""
        if not (request.url.endswith("/api/events") and "ERR_ABORTED" in str(request.failure)):
            self.note(f"{request.url} failed: {request.failure}")

    def note(self, text: str) -> None:
        if not self.sleeps:
            self.wrong.append(text)

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """While something is meant to fail."""
        self.sleeps = True
        yield
        self.sleeps = False


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
def leaves() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of leaves, and where their spots are."""
    return [draw_leaf(np.random.default_rng([3, number])) for number in range(14)]


@pytest.fixture
def folder(tmp_path: Path, leaves: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    for number, (image, _) in enumerate(leaves, 1):
        save(tmp_path / "leaves" / f"leaf_{number:02}.jpg", image, quality=95)
    return tmp_path / "leaves"


@pytest.fixture
def serve(small_model: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers, on the small model unless another is named (empty: the packaged one)."""
    started: list[Server] = []

    def start(folder: Path, *options: str, model: str | None = None) -> Server:
        named = str(small_model) if model is None else model
        started.append(Server(folder, *(["--model", named] if named else []), *options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    assert made.wrong == []


@pytest.fixture
def visit(chromium: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Opens a server's address in a window of its own."""
    contexts = []

    def opened(server: Server, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        page = watch.over(context.new_page())
        page.goto(server.address)
        page.wait_for_selector("#canvas[data-ready=true]")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def screenshot() -> Callable[..., None]:
    """Writes a picture for the documentation, where one was asked for."""

    def write(page: Any, name: str) -> None:
        if target := os.environ.get("SCREENSHOTS"):
            time.sleep(0.6)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(Path(target) / f"{name}.webp", quality=82, method=6)

    return write


class Canvas:
    """The open picture, by its own pixels."""

    def __init__(self, page: Any, size: tuple[int, int]) -> None:
        self.page, (self.height, self.width) = page, size

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the picture is in the window, as long as all of it is shown."""
        frame = self.page.locator("#canvas").bounding_box()
        room = [(frame["width"] - 48) / self.width, (frame["height"] - 48) / self.height]
        scale = min(*room, 8)
        left = frame["x"] + (frame["width"] - scale * self.width) / 2
        top = frame["y"] + (frame["height"] - scale * self.height) / 2
        return left + scale * x, top + scale * y

    def drag(self, *places: tuple[float, float], button: str = "left") -> None:
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down(button=button)
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=4)
        self.page.mouse.up(button=button)

    def click(self, *places: tuple[float, float]) -> None:
        for place in places:
            self.page.mouse.click(*self.at(*place))

    def opened(self, name: str) -> None:
        """Waits until a picture is there, and can be drawn on."""
        self.page.wait_for_selector(f"#picture-name:has-text('{name}')")
        self.page.wait_for_selector("#canvas[data-ready=true]")

    def saved(self) -> None:
        self.page.wait_for_selector("#saved[data-state=saved]")


@pytest.fixture
def canvas(leaves: list[tuple[np.ndarray, np.ndarray]]) -> Callable[[Any], Canvas]:
    return lambda page: Canvas(page, leaves[0][0].shape[:2])
