"""Reading pictures and label images from disk, strictly: a truncated file is an error, never a grey lower half."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from sccan.errors import InputError

ORIENTATION = 0x0112  # EXIF tag; values from 5 on swap height and width
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are truncated, malformed or of an absurd size."""


def read_image(path: Path) -> np.ndarray:
    """A picture as RGB, uint8 [H, W, 3], turned upright where the camera noted an orientation (as OpenCV does).

    Raises InputError: the file is missing, truncated or no picture.
    """
    data = _read_bytes(path, "image")
    if not _is_complete(data):
        _decode_strictly(path, data, "image")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"image {path} cannot be decoded: {_what_it_is(data)}; replace the file")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_label(path: Path) -> np.ndarray:
    """A label image as class numbers, uint8 [H, W]: the index of a palette PNG, the value of a grey one.

    Raises InputError: the file is missing, truncated, no picture, or has colours instead of class numbers.
    """
    data = _read_bytes(path, "label")
    picture = _decode_strictly(path, data, "label")
    values = np.asarray(picture)
    if values.ndim != 2:
        raise InputError(
            f"label {path} is a colour image ({picture.mode}); expected one channel of class numbers or a palette"
        )
    if values.dtype != bool and (values.min() < 0 or values.max() > 255):
        raise InputError(f"label {path} holds the value {values.max()}; expected class numbers up to 255 (ignore)")
    return np.ascontiguousarray(values, dtype=np.uint8) // _grey_step(data)


def read_mask(path: Path) -> np.ndarray:
    """A mask drawn by hand, uint8 [H, W]: as `read_label`, and what drawing programs make of black and white as well.

    Those are grey values in three channels, transparency (which counts as 0) and palettes of black and white, whose
    order says nothing.

    Raises InputError: the file is missing, truncated, no picture, or coloured.
    """
    picture = _decode_strictly(path, _read_bytes(path, "mask"), "mask")
    colours = picture.convert("RGB").getcolors(2) if picture.mode == "P" else None
    if colours and {colour for _, colour in colours} <= {(0, 0, 0), (255, 255, 255)}:
        return np.array(picture.convert("L"))
    if picture.mode not in ("RGB", "RGBA", "LA"):
        return read_label(path)
    values = np.asarray(picture.convert("RGBA"))
    red, green, blue, opacity = np.moveaxis(values, -1, 0)
    grey = np.where(opacity > 0, red, 0).astype(np.uint8)
    if not all(np.array_equal(np.where(opacity > 0, other, 0), grey) for other in (green, blue)):
        raise InputError(f"mask {path} is coloured; paint the object white on black, or save it with a palette")
    return grey


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it will be decoded, from its header.

    Raises InputError: the file is missing or no picture.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            # Asked for unconditionally, Pillow would decode a whole PNG to look for it.
            turned = "exif" in picture.info and picture.getexif().get(ORIENTATION, 1) >= 5
    except FileNotFoundError as error:
        raise InputError(_missing(path, "image")) from error
    except BROKEN as error:
        raise InputError(f"image {path} cannot be read: {_reason(error)}; replace the file") from error
    return (width, height) if turned else (height, width)


def check_complete(path: Path) -> None:
    """Looks at the end of an image file, and decodes it only if that is not as its format demands.

    Raises InputError: the file is truncated.
    """
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - 12, 0))
        if _is_complete(stream.read()):
            return
    _decode_strictly(path, _read_bytes(path, "image"), "image")


def _read_bytes(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(_missing(path, kind)) from error
    except OSError as error:
        raise InputError(f"{kind} {path} cannot be read: {_reason(error)}") from error


def _is_complete(data: bytes) -> bool:
    """Whether the file visibly ends as its format demands; if not, a strict decoder has to judge."""
    return data.endswith(b"\xff\xd9") or data[-8:-4] == b"IEND"


def _decode_strictly(path: Path, data: bytes, kind: str) -> Image.Image:
    """Pillow refuses truncated files and broken checksums, where OpenCV fills the rest with grey."""
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except UnidentifiedImageError as error:
        raise InputError(f"{kind} {path} cannot be decoded: {_what_it_is(data)}; replace the file") from error
    except BROKEN as error:
        raise InputError(f"{kind} {path} cannot be decoded: {_reason(error)}; replace the file") from error
    return picture


def _grey_step(data: bytes) -> int:
    """What Pillow multiplied the values of a grey PNG of 2 or 4 bits with."""
    depth, colour = (data[24], data[25]) if data.startswith(PNG_SIGNATURE) else (8, 0)
    return 255 // (2**depth - 1) if colour == 0 and depth in (2, 4) else 1


def _missing(path: Path, kind: str) -> str:
    return f"{kind} {path} does not exist; check the data root and the list"


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture of a known format"
    return str(error).replace("\n", " ") or type(error).__name__


def _what_it_is(data: bytes) -> str:
    if not data:
        return "the file is empty"
    return "it is an HTML page" if data.lstrip()[:1] == b"<" else "it is no picture of a known format"
