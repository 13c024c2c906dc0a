"""The server as a process: one per folder, on this machine alone, found again at the same address."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import msgspec

from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.reading import is_there
from sccan.files.structured import parse_json
from sccan.page.places import OURS

ADDRESS = "127.0.0.1"
LOCK = "server.json"
"""Holds port and token; locked while a server runs. Readable by its owner alone."""
FIRST_PORT = 8731
TRIED = 20
LONGEST = 4096
"""Characters of that file that are looked at."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Claim]:
    """The folder for one server, until the block or the process ends.

    Raises InputError: another server has it (its address is told), or the folder cannot be written.
    """
    place = real(folder) / OURS
    if place.is_symlink():
        raise InputError(f"{place} is a link, which may lead anywhere; remove it")
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is no folder, and masks are kept in a folder of that name; remove or rename it")
    try:
        place.mkdir(exist_ok=True)
        is_there(place / LOCK, "claim")
        handle = os.fdopen(os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write into {folder}: {error.strerror}; masks are kept there, so make it writable"
        ) from error
    with handle:
        claim = Claim(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is open already at {claim.address}; use that page, or stop its server"
            ) from error
        yield claim


class Claim:
    """A folder's port and token, the same at every start, so that an open window finds its server again.

    Attributes:
        port: of the last server; 0: none yet.
        token: that lets a browser in.
    """

    def __init__(self, handle: IO[str]) -> None:
        self._handle = handle
        known = _read(handle)
        self.port = known.port
        self.token = known.token or secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    def bind(self, port: int) -> socket.socket:
        """A socket on a port, or, where none is asked for, on that of the last time or the next free one.

        Raises InputError: the port is taken or not allowed.
        """
        last = [self.port] if self.port else []
        for number in dict.fromkeys([port] if port else [*last, *range(FIRST_PORT, FIRST_PORT + TRIED), 0]):
            bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind((ADDRESS, number))
                bound.listen(128)
            except OSError as error:
                bound.close()
                reason = error.strerror
                continue
            self.port = bound.getsockname()[1]
            self._write()
            return bound
        raise InputError(f"port {port} cannot be used: {reason}; choose another, or leave out --port")

    def _write(self) -> None:
        self._handle.seek(0)
        self._handle.truncate()
        json.dump({"port": self.port, "token": self.token}, self._handle)
        self._handle.flush()


class _Known(msgspec.Struct):
    """What a claim's file holds: port and token of the last server."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    token: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{20,100})?$")] = ""


def _read(handle: IO[str]) -> _Known:
    """What the file holds; nothing is known where it is damaged."""
    try:
        return parse_json(handle.read(LONGEST), _Known, "the claim of a folder")
    except (InputError, UnicodeDecodeError):
        return _Known()
