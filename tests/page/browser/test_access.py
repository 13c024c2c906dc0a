"""Labels, roles, order and contrast, by axe-core; light and dark, wide and narrow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.page.browser.conftest import Canvas, Server
from tests.page.browser.test_tools import PHONE

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")


def _problems(page: Any) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}" for one in found for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", ["wide", "phone"])
def test_axe_finds_nothing(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    screenshot: Callable[..., None],
    scheme: str,
    window: str,
) -> None:
    server = serve(folder)
    # The page's own policy would keep axe out.
    page = visit(server, color_scheme=scheme, bypass_csp=True, **(PHONE if window == "phone" else {}))
    assert _problems(page) == []
    page.fill("#first-name", "spot")
    page.click("text=Begin")
    page.wait_for_selector(".chip:has-text('spot')")
    canvas(page).drag((100, 100), (150, 120))
    canvas(page).saved()
    page.click("#search")
    page.wait_for_selector("#search:not(.searching):not(.stale):has-text('Learn again')")
    page.click("#quality-button")
    page.wait_for_selector("#quality section")
    assert _problems(page) == []
    page.click("#quality-close")
    for button, dialog in (("#export-button", "#export-dialog"), ("#add-class", "#class-dialog")):
        page.click(button)
        page.wait_for_selector(f"{dialog}[open]")
        assert _problems(page) == []
        page.keyboard.press("Escape")
    if window == "wide":
        page.click("#help")
        assert _problems(page) == []
    if scheme == "dark" and window == "wide":
        page.keyboard.press("Escape")
