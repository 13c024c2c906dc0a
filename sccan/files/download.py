"""A download that continues after a break, and is taken for whole only once its checksum fits."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from sccan.errors import InputError
from sccan.files.plain import plain
from sccan.files.reading import is_there

CHUNK = 1 << 20
TIMEOUT = 60.0
"""Seconds without a single byte after which a connection counts as broken."""
ATTEMPTS = 5
"""Broken connections in a row, without a single byte in between, after which we stop."""
SPARE = 64 << 20
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class Archive:
    """A file that lies elsewhere.

    Attributes:
        name: file name.
        urls: addresses, its own home first.
        checksum: of the whole file, in hexadecimal digits: MD5 (32 of them) or SHA-256 (64); empty: not known.
        token: shown to these addresses, and to none that they send on to; empty: none.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str
    token: str = field(default="", repr=False)


class Broken(Exception):
    """A connection that ended early or never began; worth another attempt."""


class TooSmall(Exception):
    """The disk is."""


def fetch(
    archive: Archive,
    folder: Path,
    *,
    pause: float = 2.0,
    timeout: float = TIMEOUT,
    elsewhere: str = "choose another --root",
) -> Path:
    """The verified archive in `folder`: the one that is there, or a download that continues where one broke off.

    The bytes go to ``NAME.part`` and get their name once the checksum fits, so a file without ``.part`` that we wrote
    is complete.

    Args:
        archive: what to fetch.
        folder: where to; made if missing.
        pause: seconds before the first repeated attempt; doubled every time.
        timeout: seconds without a byte after which a connection counts as broken.
        elsewhere: how to choose another folder, for messages.

    Raises InputError: no address answers, the disk is too small, or the checksum does not fit.
    """
    path = folder / archive.name
    if path.is_file():
        verify(path, archive.checksum)
        return path
    part = path.with_name(f"{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _from_any(archive, part, pause, timeout)
    except TooSmall as error:
        raise InputError(f"{error}; free some space or {elsewhere}") from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {part}: {reason}; free some space or {elsewhere}") from error
    found = checksum_of(part, archive.checksum)
    if found != archive.checksum:
        part.unlink()
        raise InputError(
            f"{archive.name} was downloaded with {_kind(found)} {found}, but {archive.checksum} is expected; the file "
            "was removed: run the same command again, or fetch it by other means"
        )
    part.replace(path)
    return path


def verify(path: Path, checksum: str) -> None:
    """Raises InputError: the file has another checksum than expected."""
    found = checksum_of(path, checksum)
    if found != checksum:
        raise InputError(
            f"{path} has {_kind(found)} {found}, but {checksum} is expected; it is damaged or another release: remove "
            "it and run the same command again"
        )


def checksum_of(path: Path, like: str) -> str:
    """The checksum of a file, of the kind of another one, with a progress bar; empty where the other one is."""
    if not like:
        return ""
    digest = hashlib.new(_kind(like).replace("-", "").lower(), usedforsecurity=False)
    with path.open("rb") as stream, _bar(f"verifying {path.name}", path.stat().st_size) as bar:
        while block := stream.read(CHUNK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


def _kind(checksum: str) -> str:
    return "MD5" if len(checksum) == 32 else "SHA-256"


def _from_any(archive: Archive, part: Path, pause: float, timeout: float) -> None:
    """The whole file into `part`, from the first address that serves it."""
    reasons = []
    for url in archive.urls:
        try:
            _from(url, archive.token, part, pause, timeout)
            return
        except Broken as error:
            reasons.append(f"{url}: {error}")
    raise InputError(
        f"{archive.name} cannot be downloaded ({'; '.join(reasons)}); run the same command again to continue, or put "
        f"the file into {part.parent} yourself"
    )


def _from(url: str, token: str, part: Path, pause: float, timeout: float) -> None:
    """Attempts until the file is complete; only attempts that bring nothing are counted.

    Raises Broken: the address refuses, or too many attempts brought nothing.
    """
    idle = 0
    while True:
        before = part.stat().st_size if is_there(part, "unfinished download") else 0
        try:
            _continue(url, token, part, before, timeout)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise Broken(f"the server answers {error.code} {error.reason}") from error
            reason = f"the server answers {error.code} {error.reason}"
        except (Broken, http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        progressed = part.exists() and part.stat().st_size > before
        idle = 0 if progressed else idle + 1
        if idle >= ATTEMPTS:
            raise Broken(reason)
        time.sleep(0 if progressed else min(pause * 2 ** (idle - 1), 60))


def _continue(url: str, token: str, part: Path, have: int, timeout: float) -> None:
    """One connection: the bytes after those that are there, or all of them where the server cannot continue.

    Raises Broken: the connection ended before the announced length.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if _announced_total(error.headers.get("Content-Range")) == have:
            return  # everything had come before the last break
        part.unlink()
        raise Broken("the file on the server is shorter than what was downloaded before") from error
    with response:
        if response.status != 206:
            have = 0  # the server sends everything again
        elif not response.headers.get("Content-Range", f"bytes {have}-").startswith(f"bytes {have}-"):
            raise Broken("the server continues at another place than it was asked to")
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        if total is not None:
            _require_space(part, total - have)
        with part.open("ab" if have else "wb") as stream, _bar(f"downloading {part.stem}", total, have) as bar:
            got = have + _copy(response.read, stream.write, bar.update)
    if total is not None and got < total:
        raise Broken(f"the connection ended after {got} of {total} bytes")


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], report: Callable[[int], object]) -> int:
    copied = 0
    while block := read(CHUNK):
        write(block)
        report(len(block))
        copied += len(block)
    return copied


def _announced_total(content_range: str | None) -> int | None:
    """The length after the slash of ``bytes */1234``."""
    text = (content_range or "").rpartition("/")[2]
    return int(text) if text.isdigit() else None


def _require_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed + SPARE:
        raise TooSmall(
            f"{part.stem} needs {needed / 1e9:.2f} GB more, but {free / 1e9:.2f} GB are free at {part.parent}"
        )


def _bar(title: str, total: int | None, done: int = 0) -> tqdm[NoReturn]:
    return tqdm(
        total=total, initial=done, desc=plain(title), unit="B", unit_scale=True, unit_divisor=1000, disable=None
    )
