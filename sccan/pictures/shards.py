"""Pictures in tar files, as WebDataset packs them: read where they lie, without unpacking anything."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sccan.errors import InputError
from sccan.files.archives import DAMAGED, files_of_tar
from sccan.files.kinds import is_hidden, is_picture
from sccan.files.limits import check_size
from sccan.files.plain import as_utf8, plain
from sccan.files.reading import unreadable
from sccan.files.tally import Tally

SHARD = ".tar"
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
"""``{000..127}`` in the name of shards."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file that is not compressed.

    Attributes:
        path: of the file.
        changed: when it was, in nanoseconds, as it was looked through.
    """

    path: Path
    changed: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A picture in a shard.

    Attributes:
        shard: where it lies.
        name: of the member.
        start, size: of its bytes, in the shard.
    """

    shard: Shard
    name: str
    start: int
    size: int

    def content(self) -> bytes:
        """Its bytes. Raises InputError: the shard is gone, or shorter than it was."""
        try:
            with tarfile.open(self.shard.path, "r:") as archive:
                member = tarfile.TarInfo(self.name)
                member.offset_data, member.size = self.start, self.size
                stream = archive.extractfile(member)
                assert stream is not None
                return stream.read()
        except OSError as error:
            raise unreadable(self.shard.path, "shard", error) from error
        except DAMAGED as error:
            raise InputError(f"shard {self.shard.path} has changed meanwhile: {error}; start again") from error

    def __str__(self) -> str:
        return f"{self.shard.path}:{self.name}"


def in_shard(path: Path, passed: Tally) -> list[tuple[str, Packed]]:
    """Name and place of every picture of a shard, in its order.

    Args:
        passed: gets what it holds besides.

    Raises InputError: it is missing, damaged, compressed or no tar; a member leads out of it or is no plain file.
    """
    shard = Shard(path, path.stat().st_mtime_ns if path.is_file() else 0)
    found = []
    for member in files_of_tar(path):
        name = as_utf8(PurePosixPath(member.name).as_posix())
        if any(is_hidden(part) for part in PurePosixPath(name).parts):
            passed.add("passed over, as they are hidden or a system's own", name)
        elif is_picture(PurePosixPath(name)):
            found.append((name, Packed(shard, member.name, member.start, member.size)))
        else:
            passed.add(f"passed over, as their ending is {PurePosixPath(name).suffix or 'none'}", name)
    return found


def named_shards(pattern: str) -> Iterator[Path]:
    """The files that a name with ``{000..127}`` stands for; the name itself where it holds no such thing.

    Raises InputError: a range goes down, or is that of too many files.
    """
    found = RANGE.search(pattern)
    if found is None:
        yield Path(pattern)
        return
    first, last = (int(one) for one in found.groups())
    if last < first:
        raise InputError(f"{plain(pattern)} counts from {first} down to {last}; name the smaller number first")
    check_size(f"{plain(pattern)}: the number of files", last - first + 1, "MEMBERS")
    for number in range(first, last + 1):
        name = f"{pattern[: found.start()]}{number:0{len(found[1])}d}{pattern[found.end() :]}"
        yield from named_shards(name)
