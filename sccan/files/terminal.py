"""What reaches a terminal: plain characters only, whatever the names and the content of files are.

File and class names may hold escape sequences, which move the cursor, colour or retitle a terminal, letters that turn
the direction of a line, and bytes that are no UTF-8. All of them are shown by their number.
"""

from __future__ import annotations

import io
import sys
from typing import TextIO

DIRECTIONS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Letters that turn the direction of what stands behind them, and line ends that only some programs know."""
BY_NUMBER = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t\r"}
BY_NUMBER |= {code: f"\\u{code:04x}" for code in DIRECTIONS}


class PlainText(io.TextIOWrapper):
    """A stream that shows control characters by their number; line ends, tabs and returns pass."""

    def write(self, text: str) -> int:
        super().write(text.translate(BY_NUMBER))
        return len(text)


def use_plain_streams() -> None:
    """Puts both standard streams behind `PlainText`; streams that somebody put in their place stay."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _plain(stream))


def _plain(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, PlainText):
        return stream
    encoding, by_line, through = stream.encoding, stream.line_buffering, stream.write_through
    return PlainText(
        stream.detach(),
        encoding=encoding,
        errors="backslashreplace",  # bytes of a name that are no UTF-8
        line_buffering=by_line,
        write_through=through,
    )
