"""Damage inside pictures, files that are none, and files that would fill the memory: one line each."""

import io
import os
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import image_size, read_image, read_label, read_whole
from sccan.pictures.heads import head_of
from tests.pictures.pictures import jpeg, png_declaring

NOISE = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
JPEG = jpeg(NOISE)


def damaged(kind: str) -> bytes:
    half = len(JPEG) // 2
    return {
        "cut, with an end": JPEG[:half] + b"\xff\xd9",
        "a hole": JPEG[:half] + JPEG[half + 2000 :],
        "a zeroed tail with an end": JPEG[:half] + bytes(len(JPEG) - half - 2) + b"\xff\xd9",
        "cut": JPEG[:half],
        "foreign bytes": JPEG[:half] + os.urandom(0) + bytes(range(200, 250)) * 20 + JPEG[half + 1000 :],
    }[kind]


@pytest.mark.parametrize("kind", ["cut, with an end", "a hole", "a zeroed tail with an end", "cut", "foreign bytes"])
def test_a_decoders_warning_is_the_files_error(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(damaged(kind))
    with pytest.raises(InputError, match=r"a\.jpg cannot be decoded: .*; replace the file"):
        read_whole(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(JPEG)
    np.testing.assert_array_equal(read_whole(tmp_path / "a.jpg").pixels, read_image(tmp_path / "a.jpg"))


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_sound_jpegs_of_every_kind_pass(tmp_path: Path, mode: str, progressive: bool) -> None:
    Image.fromarray(NOISE).convert(mode).save(tmp_path / "a.jpg", progressive=progressive)
    assert read_whole(tmp_path / "a.jpg").pixels.shape == NOISE.shape


@pytest.mark.parametrize("form", ["bmp", "tiff"])
def test_zeros_at_the_end_of_what_has_no_check_sum_are_told(tmp_path: Path, form: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, form)
    data = stream.getvalue()
    (tmp_path / "a.bmp").write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    assert read_whole(tmp_path / "a.bmp").notes == [
        "much of the file's end is zeros, as an interrupted copy leaves them; look at it"
    ]
    (tmp_path / "a.bmp").write_bytes(data)
    assert read_whole(tmp_path / "a.bmp").notes == []


def test_a_webp_that_ends_in_zeros_is_refused(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "a.webp", quality=80)
    data = (tmp_path / "a.webp").read_bytes()
    read_whole(tmp_path / "a.webp")
    (tmp_path / "a.webp").write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(InputError, match="it ends in zeros, as an interrupted copy leaves them"):
        read_whole(tmp_path / "a.webp")


def test_a_png_of_a_few_bytes_that_declares_billions_of_pixels_is_refused(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, size in enumerate([(100_000, 100_000), (30_000, 30_000), (20_000, 9_000)]):
        path = tmp_path / f"{number}.png"
        path.write_bytes(png_declaring(*size))
        for read in (read_image, read_label, image_size, read_whole):
            with pytest.raises(InputError, match="SCCAN_MAX_PICTURE_MP"):
                read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_the_limit_can_be_raised_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_declaring(20_000, 10_000))
    monkeypatch.setenv("SCCAN_MAX_PICTURE_MP", "300")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    assert image_size(path) == (10_000, 20_000)


def test_pipes_devices_and_folders_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    (tmp_path / "c.jpg").mkdir()
    for name, kind in (("a", "a pipe"), ("b", "a device"), ("c", "a folder")):
        with pytest.raises(InputError, match=rf"image .*{name}\.jpg is {kind}; expected a file"):
            read_whole(tmp_path / f"{name}.jpg")


def test_a_huge_file_around_a_small_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    os.truncate(path, 3 << 30)  # sparse
    with pytest.raises(InputError, match=r"has 3221225472 bytes for 240x320 pixels; save it anew"):
        read_whole(path)


def test_several_pages_are_told(tmp_path: Path) -> None:
    pages = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    found = read_whole(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, NOISE)
    assert found.notes == ["only the first of several pages or frames is read"]
    assert head_of(tmp_path / "a.tif", "image").pages == 2


def test_what_a_file_is_instead_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(30))
    with pytest.raises(InputError, match="it is a HEIC picture; save it as .jpg"):
        read_whole(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(bytes(5000))
    with pytest.raises(InputError, match="it begins with zeros, as an interrupted copy leaves them"):
        read_whole(tmp_path / "b.jpg")


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("rows", [7, 60, 255 << 16])
def test_a_tiff_with_fewer_strips_than_its_head_asks_for_is_refused(tmp_path: Path, depth: type, rows: int) -> None:
    stream, path = io.BytesIO(), tmp_path / "a.tif"
    Image.fromarray(np.full((6, 7), 40, depth)).save(stream, "TIFF")
    data = bytearray(stream.getvalue())
    path.write_bytes(data)
    assert read_whole(path).pixels.shape == (6, 7, 3)
    first = struct.unpack_from("<I", data, 4)[0] + 2
    entries = range(first, first + 12 * struct.unpack_from("<H", data, first - 2)[0], 12)
    height = next(entry for entry in entries if struct.unpack_from("<H", data, entry)[0] == 257)
    data[height : height + 12] = struct.pack("<HHII", 257, 4, 1, rows)
    path.write_bytes(data)
    for read in (read_whole, read_image):
        with pytest.raises(InputError, match=rf"its head says {rows}x7, but there are parts for \d+% of that; replace"):
            read(path)
