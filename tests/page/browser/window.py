"""A window of the browser: what is done in it, by the picture's own pixels, and a watch over what goes wrong there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.page.browser.servers import Server

PATIENCE = 90_000
"""Milliseconds; a busy machine is no failure."""
SETTLED = """
    async () => {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const ends = document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity);
      await Promise.allSettled(ends.map((one) => one.finished));
    }
"""
UNTIL = """
    async () => {{
      for (const end = performance.now() + {patience}; !({condition}); ) {{
        if (performance.now() > end) throw new Error("not even after a while");
        await new Promise((next) => requestAnimationFrame(next));
      }}
    }}
"""


class Watch:
    """What went wrong in windows: errors of the console and of scripts, requests that failed or were refused."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._sleeps = False

    def over(self, page: Any) -> None:
        page.on("console", lambda message: message.type in ("error", "warning") and self._note(message.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", lambda answer: answer.status >= 400 and self._note(f"{answer.url}: {answer.status}"))

    @contextlib.contextmanager
    def asleep(self, page: Any) -> Iterator[None]:
        """While something is meant to fail in a window; the server must be there again at the end."""
        self._sleeps = True
        yield
        page.evaluate(
            "fetch('/static/logo.svg').then((answer) => answer.text())"
        )  # what failed before has been told when this is answered
        self._sleeps = False

    def _failed(self, request: Any) -> None:
        """No failure: a page that is left ends its stream of events, a thumbnail that changes its loading."""
        ends = request.url.endswith("/api/events") or request.resource_type == "image"
        if not (ends and "ERR_ABORTED" in str(request.failure)):
            self._note(f"{request.url} failed: {request.failure}")

    def _note(self, text: str) -> None:
        if not self._sleeps:
            self.wrong.append(text)


class Window:
    """The page of a server.

    Attributes:
        page: Playwright's.
        server: whose page it is.
    """

    def __init__(self, context: Any, server: Server, watch: Watch) -> None:
        self.page, self.server, self._watch = context.new_page(), server, watch
        self.page.set_default_timeout(PATIENCE)
        watch.over(self.page)
        self.page.goto(server.address)
        self.ready()

    # Waiting

    def wait(self, selector: str, state: str = "visible") -> None:
        self.page.wait_for_selector(selector, state=state)

    def ready(self) -> None:
        """Waits until the picture can be drawn on."""
        self.wait("#canvas[data-ready=true]")

    def opened(self, name: str) -> None:
        """Waits until a picture is there, and can be drawn on."""
        self.wait(f"#picture-name:has-text('{name}')")
        self.ready()

    def saved(self) -> None:
        """Waits until what was drawn is on the disk."""
        self.wait("#saved[data-state=saved]")

    def shows_what(self, other: Window) -> None:
        """Waits for what another window has of the open picture; a slow stroke has more than one version."""
        self.wait(f"#canvas[data-version='{other.page.get_attribute('#canvas', 'data-version')}']")

    def settled(self) -> None:
        """Waits until everything that was asked for is painted, and nothing moves any more."""
        self.page.evaluate(SETTLED)

    def loaded(self) -> None:
        """Waits until every picture is there that can be seen."""
        self._until("[...document.images].every((one) => one.complete || !one.getClientRects().length)")
        self.settled()

    def _until(self, condition: str) -> None:
        """Playwright's own way evaluates text, which the page forbids."""
        self.page.evaluate(UNTIL.format(condition=condition, patience=PATIENCE))

    def failing(self) -> contextlib.AbstractContextManager[None]:
        """While something is meant to fail here."""
        return self._watch.asleep(self.page)

    # Doing

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def places(self, *places: tuple[float, float]) -> list[tuple[float, float]]:
        """Where places of the picture are in the window."""
        view, frame = self.view(), self.page.locator("#canvas").bounding_box()
        left, top = frame["x"] + view["left"], frame["y"] + view["top"]
        return [(left + view["scale"] * x, top + view["scale"] * y) for x, y in places]

    def view(self) -> dict[str, float]:
        """Pixels of the window per pixel of the picture, and where in the canvas the picture's corner is."""
        self.settled()
        words = self.page.get_attribute("#canvas", "data-view").split()
        return dict(zip(("scale", "left", "top"), map(float, words), strict=True))

    def enlarged(self, factor: float) -> None:
        """Waits until the picture is larger than `factor`, in pixels of the window per pixel of the picture."""
        self._until(f"document.querySelector('#canvas').dataset.view.split(' ')[0] > {factor}")

    def drag(self, *places: tuple[float, float], button: str = "left") -> None:
        first, *others = self.places(*places)
        self.page.mouse.move(*first)
        self.page.mouse.down(button=button)
        for place in others:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up(button=button)

    def click(self, *places: tuple[float, float]) -> None:
        for place in self.places(*places):
            self.page.mouse.click(*place)

    def thickness(self, pixels: float) -> None:
        """Of the brush, in pixels of the window."""
        self.page.locator("#thickness").fill(str(int(pixels)))

    def begin_class(self, name: str) -> None:
        """Names the first class."""
        self.page.fill("#first-name", name)
        self.page.click("text=Begin")
        self.wait(f".chip:has-text('{name}')")

    def search(self) -> None:
        """Finds in all, or learns again, until every picture was looked at."""
        self.page.click("#search")
        self.searched()

    def searched(self) -> None:
        self.wait("#search:not(.searching):not(.stale):has-text('Learn again')")

    # What there is to see

    def drawing(self) -> str:
        """The canvas as it is painted."""
        self.settled()
        return str(self.page.evaluate("document.querySelector('#canvas').toDataURL()"))

    def label(self, number: int = 1) -> Any:
        """The mask of a leaf as it lies in the folder."""
        return self.server.label(f"leaf_{number:02}.jpg")

    def coverage(self) -> str:
        return str(self.page.locator("#coverage-text").inner_text())
