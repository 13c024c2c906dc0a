"""One process at a time in a folder: a lock of the system's own, which ends with the process however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from sccan.errors import InputError
from sccan.files.made import remove_unused
from sccan.files.writing import remove_partial

logger = logging.getLogger(__name__)
_held: set[int] = set()
"""Handles of the folders that this process has for itself."""


class FolderLock:
    """A folder that belongs to this process until it is closed or ends."""

    def __init__(self, folder: Path, *, what: str = "another process works on") -> None:
        """
        Args:
            folder: made if missing.
            what: how a refusal begins, before the folder's name.

        Raises InputError: another process has it, or it cannot be made or read.
        """
        self._handle = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(self._handle)
            os.close(self._handle)
            raise InputError(
                f"{what} {folder} now{owner}; wait for it to end or stop it, or choose another folder"
            ) from error
        except (OSError, ValueError) as error:
            if self._handle < 0:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"cannot use the folder {folder}: {reason}; choose another folder") from error
            logger.warning("the disk of %s keeps no locks: start one command at a time", folder)
        _held.add(self._handle)

    def close(self) -> None:
        """Lets others have the folder."""
        if self._handle in _held:
            _held.discard(self._handle)
            os.close(self._handle)


@contextlib.contextmanager
def alone_in(folder: Path, *, what: str = "another process works on") -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if missing, and removes what a killed one left.

    Raises InputError: see `FolderLock`.
    """
    is_new = not folder.exists()
    lock = FolderLock(folder, what=what)
    try:
        remove_partial(folder)
        yield
    finally:
        if is_new:
            remove_unused(folder)
        lock.close()


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Inside the block this process has a folder, which is made if missing, for itself; others wait.

    Raises InputError: it cannot be made or read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot use the folder {folder}: {error.strerror}; choose another folder") from error
    try:
        with contextlib.suppress(OSError):  # a disk that keeps no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _owner(handle: int) -> str:
    """The process that has a folder, where the system tells it: `` (process 123)``."""
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            rows = [line.split() for line in locks]
    except (OSError, ValueError):
        return ""
    node = str(os.fstat(handle).st_ino)
    owners = [row[4] for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5].rpartition(":")[2] == node]
    return f" (process {owners[0]})" if owners and int(owners[0]) > 0 else ""


def _forget_in_child() -> None:
    """A forked worker holds no locks: it may outlive its parent, whose folder is free then."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
