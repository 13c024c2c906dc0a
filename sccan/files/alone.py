"""One process at a time in a folder: a lock of the system's own, which ends with the process however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sccan.errors import InputError

PARTIAL = ".*.partial"
"""Names of files that a killed run may leave: never a final name."""


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Keeps other preparations out of a folder, which is made if missing, and removes what a killed one left.

    The lock is the system's own, on the folder itself: it ends with the process, however that ends.

    Raises InputError: another process prepares this folder, or it cannot be made or read.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot use the folder {root}: {error.strerror}; choose another --root") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another process prepares {root} now; wait for it to end or stop it") from error
        for left in root.rglob(PARTIAL):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
