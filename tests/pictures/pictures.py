"""Pictures with what cameras note beside their pixels, and PNGs put together by hand."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

XMP = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    "<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/'{}/></rdf:RDF></x:xmpmeta>"
)
STORED = np.zeros((20, 30, 3), np.uint8)
STORED[:8, :20] = (250, 20, 20)
STORED[8:14, :6] = (20, 240, 40)


def xmp(orientation: int, form: str = "attribute") -> bytes:
    """XMP that names an orientation alone."""
    if form == "element":
        return (
            XMP.replace("'{}/>", "'><tiff:Orientation>{}</tiff:Orientation></rdf:Description>")
            .format(orientation)
            .encode()
        )
    quote = '"' if form == "attribute" else "'"
    return XMP.format(f" tiff:Orientation={quote}{orientation}{quote}").encode()


def noted(orientation: int) -> Image.Exif:
    """EXIF with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_exif(path: Path, orientation: int) -> Path:
    """The stored picture with an orientation in EXIF."""
    Image.fromarray(STORED).save(path, exif=noted(orientation), **_best(path))
    return path


def with_xmp(path: Path, orientation: int, form: str = "attribute") -> Path:
    """The stored picture with an orientation in XMP alone."""
    text = xmp(orientation, form)
    if path.suffix == ".png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", text.decode())
        Image.fromarray(STORED).save(path, pnginfo=info)
    elif path.suffix == ".tif":
        Image.fromarray(STORED).save(path, tiffinfo={700: text})
    else:
        Image.fromarray(STORED).save(path, xmp=text, **_best(path))
    return path


def _best(path: Path) -> dict[str, object]:
    return {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}.get(path.suffix, {})


def png_declaring(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG of one scan."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()
