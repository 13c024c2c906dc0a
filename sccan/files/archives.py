"""Unpacking tar and zip archives from outside: nothing lands beside its folder, and nothing half-written stays.

An archive is walked through before anything is written, and refused as a whole if one of its members is absolute,
leads upwards or is a link or a device: no official archive of these data sets has such members.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from tqdm import tqdm

from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.plain import plain
from sccan.files.reading import regular_file
from sccan.files.sizes import check_unpacked
from sccan.files.writing import written_beside

FURTHER = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
"""Kinds of headers of a tar archive that say more of the next one."""
LONGEST_HEADER = 1 << 20
"""Bytes of a header that gives a member a longer name, or further facts."""
DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError),
    RuntimeError,  # zipfile: encrypted, or compressed in a way it does not know
)
"""What the standard library raises for archives that are cut off, altered, encrypted or of an unknown kind."""
TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
MOST_BEHIND = 1 << 24
"""Bytes behind the end of a tar, which is filled up to whole blocks."""
MOST_ZEROS = 1 << 20
"""Bytes of zero behind what is compressed with gzip; Python looks at them one by one."""
LATEST = 1 << 32
"""Seconds since 1970 up to which an archive is believed what time a file is of."""
SPARE = 64 << 20
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class Member:
    """A file within an archive.

    Attributes:
        name: as it stands there.
        size: in bytes.
        is_folder: whether it is a folder.
        oddity: what it is if it is neither file nor folder.
        start: where its bytes begin in a tar that is not compressed.
    """

    name: str
    size: int
    is_folder: bool
    oddity: str = ""
    start: int = 0


class Reader(ABC):
    """An open archive."""

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Every member, in the order of the archive."""

    @abstractmethod
    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes], int]]:
        """Name, content and time of the wanted files, in the archive's order; each is read before the next."""


class _Header(tarfile.TarInfo):
    """A header of a tar archive; those that only say more of the next one are read whole, so they are bounded."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in FURTHER and not 0 <= self.size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


class TarReader(Reader):
    def __init__(self, archive: tarfile.TarFile) -> None:
        self.archive = archive

    def members(self) -> Iterator[Member]:
        for info in self.archive:
            oddity = "" if info.isfile() or info.isdir() else "a link" if info.issym() or info.islnk() else "a device"
            yield Member(
                info.name, info.size, info.isdir(), "a file with holes" if info.issparse() else oddity, info.offset_data
            )
        # To the end of what is compressed, where its checksum stands.
        stream = self.archive.fileobj
        if stream is not None and len(stream.read(MOST_BEHIND + 1)) > MOST_BEHIND:
            raise tarfile.ReadError(f"more than {MOST_BEHIND >> 20} MB stand behind its end")

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes], int]]:
        for info in self.archive:
            stream = self.archive.extractfile(info) if info.isfile() and info.name in wanted else None
            if stream is not None:
                yield info.name, stream, int(max(0, min(info.mtime, LATEST)))


class ZipReader(Reader):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def members(self) -> Iterator[Member]:
        for info in self.archive.infolist():
            if info.header_offset < 0:  # the beginning of the file is missing
                raise zipfile.BadZipFile(f"{info.filename} lies before the beginning of the file")
            kind = stat.S_IFMT(info.external_attr >> 16)  # zero where the archive was not made on Unix
            usual = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            oddity = "" if usual else "a link" if kind == stat.S_IFLNK else "a device"
            yield Member(info.filename, info.file_size, _is_folder(info), oddity)

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes], int]]:
        for info in self.archive.infolist():
            if not _is_folder(info) and info.filename in wanted:
                with self.archive.open(info) as stream:
                    yield info.filename, stream, _seconds(info.date_time)


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive we can unpack."""
    return path.name.lower().endswith((*TAR_SUFFIXES, ".zip"))


def unpack(archive: Path, folder: Path, place: Callable[[str], str | None]) -> list[Path]:
    """Unpacks chosen members; files that are there with the right size stay, so a killed run continues.

    Files bear the times that the archive gives them: what is computed from them and kept by their times (an index) is
    the same whenever they were unpacked.

    Args:
        archive: tar (plain or compressed) or zip file.
        folder: where everything goes.
        place: member name -> path below `folder`, or None to leave the member out.

    Returns:
        The files that the chosen members stand for, those that were there included.

    Raises InputError: the archive is damaged, has a member that would land elsewhere or is no plain file, or the disk
        is too small.
    """
    try:
        with _open(archive) as reader:
            chosen = _choose(archive, reader, place)
        targets = {name: folder / target for name, (target, _) in chosen.items()}
        missing = {name for name, (_, member) in chosen.items() if not _has_size(targets[name], member.size)}
        _require_space(archive, folder, sum(chosen[name][1].size for name in missing))
        with (
            _open(archive) as reader,
            tqdm(total=len(chosen), desc=f"unpacking {plain(archive.name)}", disable=None) as bar,
        ):
            bar.update(len(chosen) - len(missing))
            left = set(missing)
            for name, stream, seconds in reader.contents(missing) if missing else ():
                with written_beside(targets[name], durable=False) as beside:
                    with beside.open("wb") as output:
                        shutil.copyfileobj(stream, output, 1 << 20)
                    os.utime(beside, (seconds, seconds))
                left.discard(name)
                bar.update()
                if not left:
                    break
    except DAMAGED as error:
        raise _damaged(archive, "unpacked", error) from error
    return list(targets.values())


def files_of_tar(archive: Path) -> list[Member]:
    """The files of a tar that is not compressed, in its order: each can be read from where it begins.

    Raises InputError: the archive is missing, damaged or compressed, or a member leads out of it or is no plain file.
    """
    try:
        with _open(archive, "r:") as reader:
            return [member for _, member in _choose(archive, reader, lambda name: name).values()]
    except DAMAGED as error:
        raise _damaged(archive, "read as a tar that is not compressed", error) from error


def _damaged(archive: Path, done: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{archive} cannot be {done}: {reason}; it is damaged or no archive: fetch it again")


@contextlib.contextmanager
def _open(archive: Path, mode: Literal["r", "r:"] = "r") -> Iterator[Reader]:
    regular_file(archive, "archive")
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                yield ZipReader(opened)
        else:
            _check_padding(archive)
            with tarfile.open(archive, mode, tarinfo=_Header) as opened_tar:
                yield TarReader(opened_tar)
    except FileNotFoundError as error:
        raise InputError(f"archive {archive} does not exist; check its path") from error


def _check_padding(archive: Path) -> None:
    """Raises tarfile.ReadError: it is compressed with gzip, and filled up with more zeros than any device asks for."""
    with archive.open("rb") as file:
        if file.read(2) == b"\x1f\x8b" and file.seek(0, os.SEEK_END) > MOST_ZEROS:
            file.seek(-MOST_ZEROS, os.SEEK_END)
            if not any(file.read(MOST_ZEROS)):
                raise tarfile.ReadError("it ends with a megabyte of zeros, as a file does that did not come whole")


def _choose(archive: Path, reader: Reader, place: Callable[[str], str | None]) -> dict[str, tuple[str, Member]]:
    """Member name -> (path below the folder, member) of the members to take, after looking at all of them."""
    chosen: dict[str, tuple[str, Member]] = {}
    packed, unpacked = archive.stat().st_size, 0
    for number, member in enumerate(reader.members(), 1):
        unpacked += max(member.size, 0)
        check_unpacked(f"archive {archive}", unpacked, packed)
        check_size(f"archive {archive}", number, "MEMBERS")
        oddity = member.oddity or _leads_out(member.name)
        if oddity:
            raise InputError(
                f"{archive} holds {member.name[:200]!r}, which is {oddity}; nothing was unpacked: fetch the official "
                "archive, or make it anew without that"
            )
        target = None if member.is_folder else place(member.name)
        if target is not None:
            chosen[member.name] = target, member
    return chosen


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """As `ZipInfo.is_dir` says it, which knows no member without a name."""
    return info.filename.endswith("/")


def _leads_out(name: str) -> str:
    """Why a member's name is refused, or nothing."""
    if not name or "\0" in name or len(name) > LONGEST_HEADER:
        return "no name of a file"
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        return "an absolute path"
    return "a path that leads upwards" if ".." in plain.split("/") else ""


def _seconds(date: tuple[int, int, int, int, int, int]) -> int:
    """A time of a zip archive, which names no zone, in seconds since 1970; 0 where it is none."""
    try:
        return int(datetime(*date, tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _require_space(archive: Path, folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE and needed:
        raise InputError(
            f"unpacking {archive.name} needs {needed / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free at {folder}; free "
            "some space or choose another --root"
        )
