"""The parts of a PNG that its pixels depend on, checked as strictly as the format allows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from sccan.errors import InputError
from sccan.pictures.orientation import PNG_SIGNATURE

PIXELS = b"IDAT"
KEPT = (b"IHDR", b"PLTE", b"tRNS", PIXELS, b"IEND")
STEP = 1 << 20
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Kind of colours -> numbers that a pixel has."""
ALL_AT_ONCE = ((0, 0, 1, 1),)
INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The first column and row of each pass, and how far apart its columns and rows are (PNG, section 8.2)."""


def only_pixels(data: bytes, title: str) -> bytes:
    """A PNG without its notes (profiles, text, times), of which decoders complain on stderr.

    Raises InputError: a check sum is wrong, or the compressed pixels end early.
    """
    kept, packed = [PNG_SIGNATURE], []
    for kind, chunk in _chunks(data):
        if kind not in KEPT:
            continue
        size = int.from_bytes(chunk[:4])
        if len(chunk) != 12 + size or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise InputError(
                f"{title} cannot be decoded: the check sum of a part ({kind.decode()}) is wrong; replace the file"
            )
        kept.append(chunk)
        if kind == PIXELS:
            packed.append(chunk[8:-4])
    length, whole = _unpacked(b"".join(packed))
    if not whole:
        raise InputError(f"{title} cannot be decoded: its compressed pixels are damaged; replace the file")
    _require(length, data, title)
    return b"".join(kept)


def check_rows(data: bytes, title: str) -> None:
    """Counts the pixels of a PNG. Pillow leaves the rows black for which there are none.

    Raises InputError: there are fewer than its head says.
    """
    packed = b"".join(chunk[8:-4] for kind, chunk in _chunks(data) if kind == PIXELS)
    _require(_unpacked(packed)[0], data, title)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of every part up to the end, in their order."""
    kind, at = b"", len(PNG_SIGNATURE)
    while at + 12 <= len(data) and kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at : at + 12 + size]
        at += 12 + size


def _unpacked(packed: bytes) -> tuple[int, bool]:
    """How many bytes compressed data stands for, none of which is kept, and whether its check sum is reached."""
    unpacker, length = zlib.decompressobj(), 0
    try:
        while packed and not unpacker.eof:
            length += len(unpacker.decompress(packed, STEP))
            packed = unpacker.unconsumed_tail
        return length, unpacker.eof
    except zlib.error:
        return length, False


def _require(length: int, data: bytes, title: str) -> None:
    """Raises InputError: unpacked pixels are fewer bytes than the head of a PNG asks for."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits, wanted = depth * CHANNELS.get(colour, 1), 0
    for left, top, across, down in INTERLACED if interlaced == 1 else ALL_AT_ONCE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 < rows:
            wanted += rows * (1 + (columns * bits + 7) // 8)
    if length < wanted:
        raise InputError(
            f"{title} cannot be decoded: its head says {height}x{width}, but there are pixels for "
            f"{length / max(wanted, 1):.0%} of that; replace the file"
        )
