"""Names from outside as a terminal and a page may show them: one line, no control characters, not too long."""

from __future__ import annotations

import unicodedata

LONGEST = 300
"""Characters of a name that are shown."""
LONGEST_LINE = 2000
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that are no text: controls, marks that turn the writing around, halves of characters."""


def plain(name: str, longest: int = LONGEST) -> str:
    """The name with every character that a terminal would obey, or could not show, written out (``\\x1b``).

    What is longer than `longest` is shortened in its middle.
    """
    text = "".join(_written(character) for character in name)
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]} ... {text[-longest // 4 :]}"


def one_line(text: str) -> str:
    """A sentence of ours, with names of others in it, as one line of bearable length."""
    return plain(" ".join(text.split()), LONGEST_LINE)


def as_utf8(name: str) -> str:
    """A file's name as text that can be written; bytes that are none are written out (``\\xff``)."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _written(character: str) -> str:
    if unicodedata.category(character) not in UNSEEN or character == "\N{ZERO WIDTH JOINER}":
        return character
    return character.encode("unicode_escape").decode("ascii")
