"""Pictures and label images decoded strictly: a truncated file is an error, never a grey lower half.

Every reader of pictures comes through here: one rule for which way up they are (`orientation`), how deep their samples
are (`depth`) and how large they may be (`heads`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from sccan.errors import InputError
from sccan.files.reading import unreadable
from sccan.pictures.depth import eight_bits, opacity_of
from sccan.pictures.heads import BROKEN, Head, check_bytes, head_of, opened, reason, require_file
from sccan.pictures.orientation import PNG_SIGNATURE, upright
from sccan.pictures.png_chunks import check_rows, only_pixels
from sccan.pictures.quiet import silence_decoders

COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
JPEG = ("JPEG", "MPO")
SMALL = 1 << 26
"""Bytes of a file that is read without a look at its head."""
ZERO_TAIL = 0.2
"""Share of zeros at the end of a file without a check sum above which its copy was probably interrupted."""
ZEROS = bytes(64)
"""No compressed picture holds so many zeros in a row."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture that has been decoded.

    Attributes:
        pixels: RGB uint8, [h, w, 3], upright.
        notes: what was done to it, or is suspicious.
    """

    pixels: np.ndarray
    notes: list[str] = field(default_factory=list)


def read_image(path: Path) -> np.ndarray:
    """A picture of a data set as RGB, uint8 [H, W, 3], upright; what is transparent keeps its colour.

    Raises InputError: the file is missing, truncated or no picture.
    """
    return decode(_read_bytes(path, "image"), f"image {path}").pixels


def read_whole(path: Path, *, background: Literal["none", "white"] = "white") -> Decoded:
    """A picture of one's own, checked to its last byte: also a decoder's mere warning is an error.

    Args:
        background: what is transparent becomes white, or keeps its colour.

    Raises InputError: the file is missing, damaged or no picture.
    """
    return decode(_read_bytes(path, "image"), f"image {path}", whole=True, background=background)


def decode(data: bytes, title: str, *, whole: bool = False, background: Literal["none", "white"] = "none") -> Decoded:
    """An encoded picture as RGB.

    Args:
        data: the file.
        title: begins a message.
        whole: check it to its last byte, and take warnings for errors.
        background: what is transparent becomes white, or keeps its colour.

    Raises InputError: it is damaged or no picture.
    """
    silence_decoders()
    stream = io.BytesIO(data)
    picture, head = opened(stream, title, verb="decoded")
    check_bytes(len(data), head, title)
    notes = ["only the first of several pages or frames is read"] if head.pages > 1 else []
    if whole:
        notes += _checked(picture, data, head, title)
    elif not _is_complete(data):
        _load(picture, title)
    if head.is_deep:
        pixels, note = _deep(data, picture, head, title, background)
        return Decoded(pixels, notes + [note] * bool(note))
    if background == "white" and head.is_clear:
        return Decoded(upright_of(on_white(_loaded(picture, data, title)), head), notes)
    found = _jpeg(data, head) if head.form in JPEG else None
    stored = np.array(_loaded(picture, data, title).convert("RGB")) if found is None else found
    return Decoded(upright_of(stored, head), notes)


def read_label(path: Path) -> np.ndarray:
    """A label image as class numbers, uint8 [H, W]: the index of a palette PNG, the value of a grey one.

    Raises InputError: the file is missing, truncated, no picture, or has colours instead of class numbers.
    """
    picture, head, step = open_label(path, "label")
    values = np.asarray(picture)
    if values.ndim != 2:
        raise InputError(
            f"label {path} is a colour image ({picture.mode}); expected one channel of class numbers or a palette"
        )
    if values.dtype != bool and not (values.min() >= 0 and values.max() <= 255):
        raise InputError(f"label {path} holds the value {values.max()}; expected class numbers up to 255 (ignore)")
    return upright_of(np.ascontiguousarray(values, dtype=np.uint8) // step, head)


def open_label(path: Path, kind: str) -> tuple[Image.Image, Head, int]:
    """A label or mask, decoded by Pillow, its head, and what Pillow multiplied the values of a PNG of few bits with.

    Raises InputError: the file is missing, truncated or no picture.
    """
    silence_decoders()
    data, title = _read_bytes(path, kind), f"{kind} {path}"
    picture, head = opened(io.BytesIO(data), title, verb="decoded")
    check_bytes(len(data), head, title)
    return _loaded(picture, data, title), head, _grey_step(data)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it will be decoded, from its header.

    Raises InputError: the file is missing or no picture.
    """
    return head_of(path, "image").size


def check_complete(path: Path) -> None:
    """Looks at the end of an image file, and decodes it only if that is not as its format demands.

    Raises InputError: the file is truncated.
    """
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - 12, 0))
        if _is_complete(stream.read()):
            return
    open_label(path, "image")


def on_white(picture: Image.Image) -> np.ndarray:
    """A picture of Pillow's as RGB uint8 [h, w, 3]; what is transparent becomes white."""
    if picture.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in picture.info:
        return np.array(picture.convert("RGB"))
    opaque = picture.convert("RGBA")
    paper = Image.new("RGBA", opaque.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(paper, opaque).convert("RGB"))


def upright_of(pixels: np.ndarray, head: Head) -> np.ndarray:
    """What Pillow decoded, as it is to be looked at; it turns TIFFs itself."""
    return pixels if head.form == "TIFF" else upright(pixels, head.orientation)


def _jpeg(data: bytes, head: Head) -> np.ndarray | None:
    """A JPEG as RGB [h, w, 3], as it is stored, by a decoder that says nothing; None: only Pillow may know it.

    The pixels are those of OpenCV, which is left those of four inks, once they have been decoded without a warning.
    """
    try:
        if head.mode != "CMYK":
            return simplejpeg.decode_jpeg(data, "RGB", strict=False)
        simplejpeg.decode_jpeg(data, "CMYK", fastdct=True, fastupsample=True, min_height=1, min_width=1)
    except ValueError:
        return None
    found = _by_opencv(data, COLOUR)
    return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


def _deep(
    data: bytes, picture: Image.Image, head: Head, title: str, background: Literal["none", "white"]
) -> tuple[np.ndarray, str]:
    """Samples of more than 8 bits as RGB, upright, and how they were stretched."""
    if head.form == "PNG":
        _load(picture, title)
        data = only_pixels(data, title)
    found = _by_opencv(data, cv2.IMREAD_UNCHANGED)
    if head.mode == "CMYK" or (found is not None and found.ndim == 3 and found.shape[2] not in (3, 4)):
        raise InputError(f"{title} has inks or channels ({head.mode}) of more than 8 bits; convert it to RGB of 8 bits")
    stored = np.asarray(_load(picture, title)) if found is None else found
    values = upright_of(stored, head) if found is None else upright(found, head.orientation)
    if values.ndim == 2:
        grey, note = eight_bits(values, title, stated=head.bits)
        return np.repeat(grey[..., None], 3, axis=2), note
    colours, note = eight_bits(np.ascontiguousarray(values[..., 2::-1]), title, stated=head.bits)
    if values.shape[2] == 4 and background == "white":
        return on_white(Image.fromarray(np.dstack([colours, opacity_of(values[..., 3])]))), note
    return colours, note


def _by_opencv(data: bytes, flags: int) -> np.ndarray | None:
    """What OpenCV decodes; None: it cannot, or refuses the size that the head says."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _checked(picture: Image.Image, data: bytes, head: Head, title: str) -> list[str]:
    """What is suspicious in a picture that a decoder does not refuse.

    Raises InputError: its decoder refuses it, or warns.
    """
    if head.form in JPEG:
        try:
            colours = "CMYK" if head.mode == "CMYK" else "GRAY"
            simplejpeg.decode_jpeg(data, colours, fastdct=True, fastupsample=True, min_height=1, min_width=1)
        except ValueError as error:
            raise InputError(f"{title} cannot be decoded: {reason(error)}; replace the file") from error
        return []
    _load(picture, title)
    zeros = len(data) - len(data.rstrip(b"\0"))
    if head.form == "WEBP" and _ends_in_zeros(data):
        raise InputError(f"{title} cannot be decoded: it ends in zeros, as an interrupted copy leaves them; replace it")
    suspicious = head.form in ("BMP", "TIFF") and ZERO_TAIL * len(data) < zeros < 0.98 * len(data)
    return ["much of the file's end is zeros, as an interrupted copy leaves them; look at it"] * suspicious


def _ends_in_zeros(data: bytes) -> bool:
    """Whether the compressed pixels of a WebP end in more zeros than any do."""
    place = 12
    while place + 8 <= len(data):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind in (b"VP8 ", b"VP8L") and data[place + 8 : place + 8 + length].endswith(ZEROS):
            return True
        place += 8 + length + length % 2
    return False


def _read_bytes(path: Path, kind: str) -> bytes:
    """A file whose first bytes are those of a picture of bearable size."""
    n_bytes = require_file(path, kind)
    try:
        if n_bytes > SMALL:
            check_bytes(n_bytes, head_of(path, kind), f"{kind} {path}")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, kind, error) from error


def _is_complete(data: bytes) -> bool:
    """Whether the file visibly ends as its format demands; if not, a strict decoder has to judge."""
    return data.endswith(b"\xff\xd9") or data[-8:-4] == b"IEND"


def _loaded(picture: Image.Image, data: bytes, title: str) -> Image.Image:
    """As `_load`; where the last row of a PNG is black its pixels are counted, for so are those that are missing.

    Raises InputError: see `_load`, or there are fewer pixels than the head says.
    """
    _load(picture, title)
    if data.startswith(PNG_SIGNATURE):
        width, height = picture.size
        if not np.asarray(picture.crop((0, height - 1, width, height))).any():
            check_rows(data, title)
    return picture


def _load(picture: Image.Image, title: str) -> Image.Image:
    """Pillow refuses truncated files and broken checksums, where OpenCV fills the rest with grey.

    Where a TIFF has fewer strips or tiles than its head asks for, it would leave the rest black.
    """
    wanted = picture.width * picture.height
    parts = getattr(picture, "tile", ()) if picture.format == "TIFF" else ()
    covered = sum((right - left) * (bottom - top) for _, (left, top, right, bottom), *_ in parts)
    if parts and covered < wanted:
        raise InputError(
            f"{title} cannot be decoded: its head says {picture.height}x{picture.width}, but there are parts for "
            f"{covered / wanted:.0%} of that; replace the file"
        )
    try:
        picture.load()
    except BROKEN as error:
        raise InputError(f"{title} cannot be decoded: {reason(error)}; replace the file") from error
    return picture


def _grey_step(data: bytes) -> int:
    """What Pillow multiplied the values of a grey PNG of 2 or 4 bits with."""
    depth, colour = (data[24], data[25]) if data.startswith(PNG_SIGNATURE) else (8, 0)
    return 255 // (2**depth - 1) if colour == 0 and depth in (2, 4) else 1
