"""What a JSON file is, by its content: its outermost keys, without holding a large file in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.errors import InputError
from sccan.files.reading import regular_file
from sccan.files.structured import read_json

LARGE = 1 << 25
"""Bytes above which only COCO's instances are expected in one file."""
COCO_KEYS = frozenset(("images", "annotations", "categories"))


@dataclass(frozen=True)
class Content:
    """A JSON file.

    Attributes:
        keys: of the outermost object; empty: it is none.
        value: what it holds; None for large files and for what is no JSON.
        problem: why it could not be read; empty: it could.
    """

    keys: frozenset[str]
    value: Any = None
    problem: str = ""


def parsed(file: Path) -> Content:
    """The content of a file; one that is no JSON has no keys, and says why."""
    try:
        size = regular_file(file, "annotation")
        return _parsed(file, size, file.stat().st_mtime_ns)
    except (InputError, OSError) as error:
        return Content(frozenset(), None, str(error))


@functools.lru_cache(maxsize=8)
def _parsed(file: Path, size: int, changed: int) -> Content:
    if size > LARGE:
        return Content(COCO_KEYS)
    value: Any = read_json(file, Any, "annotation", nan=True)
    return Content(frozenset(value) if isinstance(value, dict) else frozenset(), value)
