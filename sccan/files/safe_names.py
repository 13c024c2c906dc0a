"""Names of classes and pictures as names of files: whatever a name holds, it names one file in one folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterable

from sccan.files.plain import as_utf8

LONGEST = 200
"""Bytes of a file's name; file systems allow 255, and endings are added."""
UNFIT = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that some system keeps for devices."""
UNNAMED = "unnamed"


def safe_name(name: str) -> str:
    """A name without what would lead into another folder, hide the file, or be refused by a file system."""
    text = UNFIT.sub("_", unicodedata.normalize("NFC", as_utf8(name))).rstrip(" .")
    text = re.sub(r"^[. ]+", lambda dots: "_" * len(dots[0]), text) or UNNAMED
    if RESERVED.fullmatch(text):
        text = f"{text}_"
    return shortened(text)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """A file's name for every name, no two of which some file system takes for one."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name not in found:
            found[name] = unlike(safe_name(name), taken)
            taken.add(folded(found[name]))
    return found


def unlike(name: str, taken: Container[str]) -> str:
    """The name, or the first of ``name~2``, ``name~3`` ... that is not taken (`folded`)."""
    number, candidate = 1, name
    while folded(candidate) in taken:
        number += 1
        candidate = f"{name}~{number}"
    return candidate


def shortened(text: str) -> str:
    """A name that is too long for a file system, cut, with a mark of what was cut off."""
    if len(text.encode()) <= LONGEST:
        return text
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return text.encode()[: LONGEST - 9].decode("utf-8", "ignore") + f"~{mark}"


def folded(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
