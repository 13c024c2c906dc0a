"""Pages of the site that are files of the repository: `<!-- include FILE -->` and `<!-- source FILE -->`.

What an included file links to becomes a link to its page, or plain words where the site has no such page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIRECTIVE = re.compile(r"<!-- (include|source) (\S+) -->")
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")
PAGES = {
    "ARCHITECTURE.md": "docs/architecture.md",
    "CHANGELOG.md": "docs/changelog.md",
    "initmodel/README.md": "docs/checkpoints.md",
    "sccan/settings/tree.py": "docs/settings.md",
}
"""Files that are pages under another name."""


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    """The page with its files filled in; called by mkdocs.

    Raises FileNotFoundError: a file is not there.
    """
    here = f"docs/{page.file.src_uri}"
    return DIRECTIVE.sub(lambda found: _content(found[1], found[2], here), markdown)


def _content(kind: str, name: str, here: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    if kind == "source":
        return f"```python\n{text.rstrip()}\n```"
    return LINK.sub(lambda found: _link(found[1], found[2], found[3] or "", os.path.dirname(name), here), text)


def _link(words: str, target: str, anchor: str, folder: str, here: str) -> str:
    """A link of a file in `folder`, as it reads on the page `here`; paths are relative to the repository."""
    if "://" in target or target.startswith("mailto:"):
        return f"[{words}]({target}{anchor})"
    path = os.path.normpath(os.path.join(folder, target))
    path = PAGES.get(path, path)
    if not path.startswith("docs/") or not path.endswith(".md"):
        return words if words.startswith("`") else f"`{words}`"
    return f"[{words}]({os.path.relpath(path, os.path.dirname(here))}{anchor})"
