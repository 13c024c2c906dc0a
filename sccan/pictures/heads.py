"""What a picture's first bytes say of it: form, size, which way up, how deep; before anything is decoded.

A picture that declares more pixels than are read (`sccan.files.limits`: PICTURE_MP) is refused here, before memory is
asked for.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from sccan.errors import InputError
from sccan.files.limits import LIMITS, check_size, limit
from sccan.files.reading import regular_file
from sccan.pictures.orientation import PNG_SIGNATURE, is_in_tag, orientation_of, upright_size

BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError),
    *(AssertionError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for files that are truncated, malformed or of an absurd size."""
BITS, SAMPLE_FORMAT, LARGEST_SAMPLE = 258, 339, 281
"""Tags of a TIFF."""
SLACK = 1 << 26
"""Bytes that a file may have besides its pixels."""
MAGIC = {
    b"ftypheic": "a HEIC picture; save it as .jpg", b"ftypheix": "a HEIC picture; save it as .jpg",
    b"ftypmif1": "a HEIF picture; save it as .jpg", b"ftypavif": "an AVIF picture; save it as .jpg",
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A picture that has been opened.

    Attributes:
        form: as Pillow calls it: JPEG, PNG, ...
        mode: of Pillow's.
        stored: height and width of the pixels as they are stored.
        orientation: how they are turned, 1 to 8; 1 where the decoder turns them unasked.
        size: height and width as it is to be looked at.
        is_deep: whether samples have more than 8 bits, or are fractions.
        bits: how many bits of a sample the file says are in use; 0: it says nothing.
        pages: pictures in the file.
        is_clear: whether some of it may be transparent.
    """

    form: str
    mode: str
    stored: tuple[int, int]
    orientation: int
    size: tuple[int, int]
    is_deep: bool
    bits: int
    pages: int
    is_clear: bool


def head_of(path: Path, kind: str) -> Head:
    """The head of a file.

    Args:
        kind: begins a message, for instance ``image``.

    Raises InputError: it is missing, no plain file, no picture, or of too many pixels.
    """
    require_file(path, kind)
    try:
        with path.open("rb") as stream:
            return opened(stream, f"{kind} {path}")[1]
    except OSError as error:
        raise InputError(f"{kind} {path} cannot be read: {error.strerror or error}; check its permissions") from error


def require_file(path: Path, kind: str) -> int:
    """The bytes of a picture's file. Raises InputError: there is none, or it is no plain file."""
    if not path.exists():
        raise InputError(f"{kind} {path} does not exist; check the folder, or the list that names it")
    return regular_file(path, kind)


def opened(stream: BinaryIO, title: str, *, verb: str = "read") -> tuple[Image.Image, Head]:
    """A picture of Pillow's, not decoded, and its head.

    Args:
        stream: the file.
        title: begins a message, for instance ``image a.jpg``.
        verb: what was to be done with it.

    Raises InputError: it is no picture, or declares too many pixels.
    """
    _allow_pixels()
    try:
        picture = Image.open(stream)
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(title, str(error))) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{title} cannot be {verb}: {what_it_is(stream)}; replace the file") from error
    except BROKEN as error:
        raise InputError(f"{title} cannot be {verb}: {reason(error)}; replace the file") from error
    try:
        width, height = picture.size
        check_size(title, width * height, "PICTURE_MP")
        return picture, _head(picture, stream)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{title} cannot be {verb}: {reason(error)}; replace the file") from error


def check_bytes(n_bytes: int, head: Head, title: str) -> None:
    """Raises InputError: the file is far larger than its pixels could ever be."""
    most = 16 * head.stored[0] * head.stored[1] * head.pages + SLACK
    if n_bytes > most:
        raise InputError(f"{title} has {n_bytes} bytes for {head.stored[0]}x{head.stored[1]} pixels; save it anew")


def reason(error: Exception) -> str:
    """What a decoder said, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture of a known format"
    return " ".join(str(error).split()) or type(error).__name__


def what_it_is(stream: BinaryIO) -> str:
    """What a file is that is no picture."""
    stream.seek(0)
    data = stream.read(64)
    if not data:
        return "the file is empty"
    known = next((name for magic, name in MAGIC.items() if data[4:12] == magic), "")
    if known:
        return f"it is {known}"
    if not data.strip(b"\0"):
        return "it begins with zeros, as an interrupted copy leaves them"
    return "it is an HTML page" if data.lstrip()[:1] == b"<" else "it is no picture of a known format"


def _head(picture: Image.Image, stream: BinaryIO) -> Head:
    width, height = picture.size
    place = stream.tell()
    orientation = orientation_of(picture, stream)
    stored = height, width
    if picture.format == "TIFF":
        stored = _tiff_size(picture)
    bits, is_deep = _depth(picture, stream)
    stream.seek(place)
    return Head(
        form=picture.format or "",
        mode=picture.mode,
        stored=stored,
        orientation=1 if is_in_tag(picture) else orientation,
        size=upright_size(stored, orientation),
        is_deep=is_deep,
        bits=bits,
        pages=1 if picture.format in ("MPO", "JPEG") else int(getattr(picture, "n_frames", 1)),
        is_clear=picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info,
    )


def _tiff_size(picture: Image.Image) -> tuple[int, int]:
    """As it is stored: Pillow tells the size of a TIFF that is turned by its tag as it will be."""
    tags = getattr(picture, "tag_v2", {})
    return int(tags.get(257, picture.size[1])), int(tags.get(256, picture.size[0]))


def _depth(picture: Image.Image, stream: BinaryIO) -> tuple[int, bool]:
    """Bits that the file says are in use, and whether samples are deeper than 8."""
    if picture.format == "PNG":
        stream.seek(0)
        start = stream.read(4096).partition(b"IDAT")[0]
        deep = start.startswith(PNG_SIGNATURE) and start[24:25] == b"\x10"
        at = start.find(b"sBIT")
        stated = start[at + 4] if deep and 0 < at < len(start) - 4 else 0
        return (stated if 8 <= stated <= 16 else 0), deep
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        deepest = max(_numbers(tags.get(BITS, 8)), default=8)
        fractions = 3 in _numbers(tags.get(SAMPLE_FORMAT, 1))
        largest = max(_numbers(tags.get(LARGEST_SAMPLE, 0)), default=0)
        return (
            largest.bit_length() if deepest > 8 and 8 <= largest.bit_length() <= 16 else 0
        ), deepest > 8 or fractions
    return 0, picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def _numbers(value: object) -> list[int]:
    values = value if isinstance(value, tuple | list) else (value,)
    return [int(one) for one in values if isinstance(one, int | float)]


def _too_large(title: str, said: str) -> str:
    return f"{title} is too large ({' '.join(said.split())}); cut it, make it smaller, or raise SCCAN_MAX_PICTURE_MP"


def _allow_pixels() -> None:
    """Lets Pillow open what a raised limit allows."""
    most = limit("PICTURE_MP")
    if most > LIMITS["PICTURE_MP"] * 10**6 and Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, most)
