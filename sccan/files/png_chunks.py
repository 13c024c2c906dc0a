"""The parts of a PNG that its pixels depend on, checked as strictly as the format allows."""

from __future__ import annotations

import struct
import zlib

from sccan.errors import InputError
from sccan.files.orientation import PNG_SIGNATURE

PIXELS = b"IDAT"
KEPT = (b"IHDR", b"PLTE", b"tRNS", PIXELS, b"IEND")
STEP = 1 << 20


def only_pixels(data: bytes, title: str) -> bytes:
    """A PNG without its notes (profiles, text, times), of which decoders complain on stderr.

    Raises InputError: a check sum is wrong, or the compressed pixels end early.
    """
    kept, packed, at = [PNG_SIGNATURE], [], len(PNG_SIGNATURE)
    while at + 12 <= len(data) and kept[-1][4:8] != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + size]
        at += len(chunk)
        if kind not in KEPT:
            continue
        if len(chunk) != 12 + size or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise InputError(
                f"{title} cannot be decoded: the check sum of a part ({kind.decode()}) is wrong; replace the file"
            )
        kept.append(chunk)
        if kind == PIXELS:
            packed.append(chunk[8:-4])
    if not _is_whole(b"".join(packed)):
        raise InputError(f"{title} cannot be decoded: its compressed pixels are damaged; replace the file")
    return b"".join(kept)


def _is_whole(packed: bytes) -> bool:
    """Whether compressed data can be unpacked to its check sum; what comes of it is not kept."""
    unpacker = zlib.decompressobj()
    try:
        while packed and not unpacker.eof:
            unpacker.decompress(packed, STEP)
            packed = unpacker.unconsumed_tail
        return unpacker.eof
    except zlib.error:
        return False
