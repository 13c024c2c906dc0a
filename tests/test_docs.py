"""The documentation site: its navigation, and whether links of included files lead somewhere."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def _hooks() -> Any:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _listed(entries: Any) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    values = entries.values() if isinstance(entries, dict) else entries
    return [page for entry in values for page in _listed(entry)]


def test_the_navigation_names_pages_that_are_there_each_once() -> None:
    named = _listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert len(named) == len(set(named)) > 10
    assert set(named) <= {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")}


def test_links_of_an_included_file_become_links_to_pages_or_words() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="api/some.md"))
    link = _hooks()._link
    assert link("results", "docs/results.md", "#top", "", "docs/api/some.md") == "[results](../results.md#top)"
    assert link("rooms", "../ARCHITECTURE.md", "", "initmodel", "docs/index.md") == "[rooms](architecture.md)"
    assert link("code", "sccan/method.py", "", "", "docs/index.md") == "`code`"
    assert link("far", "https://example.org/a", "", "", "docs/index.md") == "[far](https://example.org/a)"
    text = _hooks().on_page_markdown("a\n<!-- source .gitignore -->\n", page=page)
    assert text.startswith("a\n```python\n__pycache__/")


def test_every_directive_names_a_file() -> None:
    for file in DOCS.rglob("*.md"):
        for name in re.findall(r"<!-- (?:include|source) (\S+) -->", file.read_text()):
            assert (ROOT / name).is_file(), f"{file} includes {name}"
