"""Reading a file whole, after a look at what it is: pipes, devices and what is too large are refused."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sccan.errors import InputError
from sccan.files.limits import check_size, limit

KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


def regular_file(path: str | Path, what: str) -> int:
    """The bytes of a file that can be read like one.

    Args:
        what: begins the message, for instance ``manifest``.

    Raises InputError: it is missing, no plain file, or may not be read.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError as error:
        raise InputError(f"{what} {path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, what, error) from error
    kind = KINDS.get(stat.S_IFMT(found.st_mode))
    if kind:
        raise InputError(f"{what} {path} is {kind}; expected a file")
    return found.st_size


def is_there(path: Path, what: str) -> bool:
    """Whether a file that may be missing is there.

    Raises InputError: something else bears its name: a folder, a pipe, a link that leads nowhere.
    """
    if not os.path.lexists(path):
        return False
    regular_file(path, what)
    return True


def unreadable(path: str | Path, what: str, error: Exception) -> InputError:
    """What to say of a file that the system does not give us."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"{what} {path} cannot be read: {reason}; check the path and its permissions")


def read_bytes(path: str | Path, what: str, bound: str = "TEXT_MB") -> bytes:
    """A whole file.

    Args:
        what: begins the message.
        bound: the name of the limit on its size, see `sccan.files.limits`.

    Raises InputError: it is missing, no plain file, too large, or may not be read.
    """
    check_size(f"{what} {path}", regular_file(path, what), bound)
    try:
        with open(path, "rb") as stream:
            content = stream.read(limit(bound) + 1)  # not the size that was found: /proc says zero
    except OSError as error:
        raise unreadable(path, what, error) from error
    check_size(f"{what} {path}", len(content), bound)
    return content


def read_text(path: str | Path, what: str, bound: str = "TEXT_MB") -> str:
    """A whole file as UTF-8 text, with or without a mark at its beginning.

    Raises InputError: see `read_bytes`; it is no such text, or a line is longer than the bound LINE_MB.
    """
    return as_text(read_bytes(path, what, bound), f"{what} {path}")


def list_text(path: Path, what: str) -> str:
    """As `Path.read_text`, of a file that is one and of bearable size; for those who word what is missing themselves.

    Raises InputError: it is a pipe, a device or a folder, or too large. OSError, UnicodeDecodeError: it cannot be read.
    """
    if path.exists():
        check_size(f"{what} {path}", regular_file(path, what), "TEXT_MB")
    return path.read_text(encoding="utf-8-sig")


def as_text(content: bytes, source: str) -> str:
    """Bytes as UTF-8 text. Raises InputError: they are none, or a line is too long."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{source}, line {line}: not UTF-8 text; save it as such") from error
    if len(content) > limit("LINE_MB"):
        longest = max(map(len, text.split("\n")))
        check_size(f"{source}: a line", longest, "LINE_MB")
    return text


def read_lines(path: str | Path, what: str, bound: str = "TEXT_MB") -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line that holds something, without the space around it.

    Raises InputError: see `read_text`.
    """
    for number, line in enumerate(read_text(path, what, bound).split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def bounded_lines(file: IO[bytes], source: str, bound: str = "LINE_MB") -> Iterator[bytes]:
    """The lines of a file too long to be read whole, each with its end; the last one may have none.

    Raises InputError: a line is longer than the bound; no more than that of it is read.
    """
    most = limit(bound)
    while line := file.readline(most + 1):
        check_size(f"{source}: a line", len(line), bound)
        yield line


def csv_rows(path: str | Path, what: str) -> list[list[str]]:
    """The rows of a table with commas, the space around every cell cut off.

    Raises InputError: see `read_text`; it is no such table.
    """
    text = read_text(path, what)
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    except csv.Error as error:
        raise InputError(f"{what} {path} is no table with commas: {error}") from error
