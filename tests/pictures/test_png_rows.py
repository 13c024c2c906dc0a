"""A PNG with fewer pixels than its head says is refused, in every depth and order; a black one is read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_label, read_whole
from sccan.pictures.png_chunks import INTERLACED, check_rows

KINDS = [(0, depth) for depth in (1, 2, 4, 8, 16)] + [(3, depth) for depth in (1, 2, 4, 8)]
KINDS += [(colour, depth) for colour in (2, 4, 6) for depth in (8, 16)]


def _part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int, depth: int, rows: bytes, *, interlaced: bool = False) -> bytes:
    """A PNG around rows that begin with their filter each."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    colours = _part(b"PLTE", bytes(range(6))) if colour == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + _part(b"IHDR", head)
        + colours
        + _part(b"IDAT", zlib.compress(rows))
        + _part(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_a_black_picture_is_whole_and_one_with_a_byte_less_is_not(tmp_path: Path, colour: int, depth: int) -> None:
    width, height = 13, 7
    row = 1 + -(-width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)
    path = tmp_path / "a.png"
    path.write_bytes(png(width, height, colour, depth, bytes(row * height)))
    assert read_image(path).shape == read_whole(path).pixels.shape == (height, width, 3)
    for rows in (bytes(row * height - 1), bytes(row * (height - 3)), b""):
        path.write_bytes(png(width, height, colour, depth, rows))
        for read in (read_image, read_whole):
            with pytest.raises(InputError, match=r"a\.png cannot be decoded: .*; replace the file"):
                read(path)


def test_passes_are_counted_as_rows_are(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(1, 200, (11, 13), dtype=np.uint8)
    passes = [grey[top::down, left::across] for left, top, across, down in INTERLACED]
    rows = b"".join(b"\0" + line.tobytes() for one in passes for line in one if len(line))
    path = tmp_path / "a.png"
    path.write_bytes(png(13, 11, 0, 8, rows, interlaced=True))
    np.testing.assert_array_equal(read_label(path), grey)
    with pytest.raises(
        InputError, match=r"its head says 11x13, but there are pixels for 88% of that; replace the file"
    ):
        check_rows(png(13, 11, 0, 8, rows[:-20], interlaced=True), "a picture")
    check_rows(png(1, 1, 0, 8, b"\0\7", interlaced=True), "a picture of one pixel")  # whose other passes are empty


def test_a_label_whose_head_says_more_rows_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 50), 3, np.uint8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    assert read_label(tmp_path / "a.png").all()
    data[20:24] = struct.pack(">I", 60)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(
        InputError, match=r"label .*a\.png cannot be decoded: its head says 60x50, but there are pixels"
    ):
        read_label(tmp_path / "a.png")
