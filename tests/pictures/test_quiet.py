"""What a decoder says on stderr of a damaged file reaches nobody: the file's error, or its pixels, say it."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_label, read_whole

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8), (80, 64))
READERS = (read_image, read_whole, read_label)


def written(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(PIXELS)
    (picture.convert("1") if options.get("compression") == "group4" else picture).save(stream, form, **options)
    return stream.getvalue()


def deep(suffix: str) -> bytes:
    return cv2.imencode(suffix, PIXELS.astype(np.uint16) * 200)[1].tobytes()


SOUND = {
    **{f"{kind}.tif": written("TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_deflate", "jpeg", "group4")},
    "deep.tif": deep(".tif"),
    "deep.png": deep(".png"),
    "a.png": written("PNG"),
    "a.gif": written("GIF"),
    "a.jpg": written("JPEG"),
    "progressive.jpg": written("JPEG", progressive=True),
    "a.webp": written("WEBP"),
}


@pytest.mark.parametrize("name", SOUND)
def test_damage_makes_no_decoder_speak(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    path, refused = tmp_path / name, 0
    for seed in range(25):
        draw = random.Random(f"{name} {seed}")
        data = bytearray(SOUND[name])
        for _ in range(draw.choice((1, 5, 40))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice((len(data), len(data), len(data) // 2))])
        for read in READERS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's own are commands' business
                try:
                    read(path)
                except InputError:
                    refused += 1
    assert refused
    assert capfd.readouterr().err == ""


def test_a_deep_png_whose_check_sums_are_wrong_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "a.png", bytearray(deep(".png"))
    path.write_bytes(data)
    read_image(path)
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at])
    data[at + 4 + size] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="check sum of a part"):
        read_image(path)
    data[at + 3 + size] ^= 1  # the last byte of the compressed pixels, their own check sum
    data[at + 4 + size : at + 8 + size] = struct.pack(">I", zlib.crc32(data[at : at + 4 + size]))
    path.write_bytes(data)
    with pytest.raises(InputError, match="compressed pixels are damaged|broken data stream"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_notes_that_libpng_dislikes_do_no_harm(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "a.png", deep(".png")
    path.write_bytes(data)
    pixels = read_image(path)
    note = struct.pack(">I4s", 5, b"iCCP") + b"a\0\0xy"
    path.write_bytes(data[:33] + note + struct.pack(">I", zlib.crc32(note[4:])) + data[33:])
    with contextlib.suppress(InputError):
        np.testing.assert_array_equal(read_image(path), pixels)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_are_decoded_to_the_pixels_of_opencv(tmp_path: Path, subsampling: int, progressive: bool) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(written("JPEG", subsampling=subsampling, progressive=progressive, quality=80))
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path))[..., ::-1])
