"""What a compressed file stands for, compared with its own size, before anything is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from sccan.errors import InputError
from sccan.files.limits import limit, variable

SMALL = 128 << 20
"""Bytes that may come of any file, however small it is: what is empty compresses well."""


def check_unpacked(what: str, unpacked: int, packed: int, bound: str = "UNPACKED_GB") -> None:
    """Refuses what is far larger unpacked than anything real of its size.

    Args:
        what: begins the message.
        unpacked: bytes that it stands for.
        packed: bytes that it has.
        bound: the name of the limit that holds however large the file is.

    Raises InputError: it is larger.
    """
    most = max(SMALL, limit("RATIO") * packed)
    if unpacked > min(most, limit(bound)):
        name = "RATIO" if unpacked > most else bound
        raise InputError(
            f"{what} stands for {unpacked / 1e9:.4g} GB, but has {packed / 1e6:.4g} MB; if that is meant, set "
            f"{variable(name)}"
        )


def check_zip(path: Path, what: str, bound: str) -> None:
    """The same for all members of a zip file together, by what its directory says.

    Raises InputError: they are larger, or more than a file of any use has. zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > limit("MEMBERS"):
        raise InputError(f"{what} {path} holds {len(members)} members; if that is meant, set {variable('MEMBERS')}")
    check_unpacked(f"{what} {path}", sum(member.file_size for member in members), path.stat().st_size, bound)
