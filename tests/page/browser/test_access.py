"""Labels, roles, order and contrast, by axe-core; light and dark, wide and narrow."""

from pathlib import Path
from typing import Any

import pytest

from tests.page.browser.conftest import PHONE, Visits

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")


def _problems(page: Any) -> list[str]:
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}" for one in found for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["wide", "phone"])
def test_axe_finds_nothing(visit: Visits, scheme: str, screen: str) -> None:
    # The page's own policy would keep axe out.
    window = visit(color_scheme=scheme, bypass_csp=True, **(PHONE if screen == "phone" else {}))
    page = window.page
    page.evaluate(AXE)
    assert _problems(page) == []
    window.begin_class("spot")
    window.drag((100, 100), (150, 120))
    window.saved()
    window.search()
    page.click("#quality-button")
    window.wait("#quality section")
    assert _problems(page) == []
    page.click("#quality-close")
    for button, dialog in (("#export-button", "#export-dialog"), ("#add-class", "#class-dialog")):
        page.click(button)
        window.wait(f"{dialog}[open]")
        assert _problems(page) == []
        window.press("Escape")
    if screen == "wide":
        page.click("#help")
        window.wait("#help-dialog[open]")
        assert _problems(page) == []
