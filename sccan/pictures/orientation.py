"""Which way up a picture is: one rule for every reader.

A camera that was turned notes it in EXIF (tag 0x0112), in JPEG, PNG, WebP and TIFF alike; programs that drop EXIF may
keep it in XMP (``tiff:Orientation``). EXIF counts where it says something, else XMP; values other than 1 to 8 say
nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from PIL import Image

TAG = 0x0112
XMP = re.compile(rb"""\w+:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
LONGEST_NOTE = 1 << 20
"""Bytes of a PNG's chunk that are looked at."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

TURNS: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""Orientation -> what makes the stored pixels [h, w, ...] upright."""


def orientation_of(picture: Image.Image, stream: BinaryIO) -> int:
    """How the pixels of an opened picture are stored: 1 (upright) to 8, as EXIF counts.

    Args:
        picture: of Pillow's, not decoded yet.
        stream: the file that it was opened from; read from the beginning where need be.
    """
    if picture.format == "PNG":
        exif, xmp = _in_png(stream)
        return _valid(_in_exif(exif)) or _in_xmp(xmp) or 1
    noted = _in_tiff(picture) if picture.format == "TIFF" else _in_exif(picture.info.get("exif", b""))
    return _valid(noted) or _in_xmp(picture.info.get("xmp", b"")) or 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels, [h, w] or [h, w, C], as they are to be looked at."""
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width of a picture as it is to be looked at, from those stored."""
    return size[::-1] if orientation >= 5 else size


def is_in_tag(picture: Image.Image) -> bool:
    """Whether a TIFF says by its own tag how it is turned; decoders of TIFF obey that unasked."""
    return picture.format == "TIFF" and bool(_valid(_in_tiff(picture)))


def _valid(noted: object) -> int:
    return noted if isinstance(noted, int) and 1 <= noted <= 8 else 0


def _in_tiff(picture: Image.Image) -> object:
    return getattr(picture, "tag_v2", {}).get(TAG)


def _in_exif(data: object) -> object:
    if not isinstance(data, bytes) or not data:
        return None
    exif = Image.Exif()
    try:
        exif.load(data)
        return exif.get(TAG)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error, IndexError, OverflowError):
        return None  # spoilt notes say nothing


def _in_xmp(data: object) -> int:
    if not isinstance(data, bytes):
        return 0
    text = data.replace(b"\0", b"")  # also of two bytes per character
    found = XMP.search(text)
    return int(found[1]) if found else 0


def _in_png(stream: BinaryIO) -> tuple[bytes, bytes]:
    """EXIF and XMP of a PNG, which may stand before or behind its pixels."""
    stream.seek(len(PNG_SIGNATURE))
    exif = xmp = b""
    while len(head := stream.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt") and length <= LONGEST_NOTE:
            body = stream.read(length)
            if kind == b"eXIf":
                exif = exif or body
            else:
                found = _png_text(kind, body)
                exif, xmp = exif or found[0], xmp or found[1]
            stream.seek(4, 1)
        else:
            stream.seek(length + 4, 1)
        if kind == b"IEND":
            break
    return exif, xmp


def _png_text(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """EXIF or XMP in a chunk of text: as Adobe writes it, or as ImageMagick does, in hexadecimal."""
    keyword, _, rest = body.partition(b"\0")
    if keyword not in (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1"):
        return b"", b""
    try:
        if kind == b"iTXt":
            packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
            rest = _unpacked(rest) if packed else rest
        elif kind == b"zTXt":
            rest = _unpacked(rest[1:])
        if keyword == b"XML:com.adobe.xmp":
            return b"", rest
        return bytes.fromhex("".join(rest.decode("ascii").split("\n")[3:])), b""
    except (ValueError, zlib.error):
        return b"", b""


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, LONGEST_NOTE)
