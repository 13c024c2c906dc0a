"""Pictures and labels are read strictly: damage is an error that names the file."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import check_complete, image_size, read_image, read_label

VALUES = np.array([[0, 1, 2, 255, 20], [7, 7, 0, 0, 255], [3, 0, 0, 1, 80]], np.uint8)
COLOURS = np.random.default_rng(0).integers(0, 256, (37, 52, 3), dtype=np.uint8)


def refusal(read: object, path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_palette_and_grey_labels_give_the_same_numbers(tmp_path: Path) -> None:
    grey, palette = Image.fromarray(VALUES), Image.fromarray(VALUES)
    palette.putpalette(list(range(255, -1, -1)) * 3)
    grey.save(tmp_path / "grey.png")
    palette.save(tmp_path / "palette.png")
    assert Image.open(tmp_path / "palette.png").mode == "P"
    for name in ("grey.png", "palette.png"):
        label = read_label(tmp_path / name)
        assert label.dtype == np.uint8
        assert (label == VALUES).all()


def test_one_bit_label(tmp_path: Path) -> None:
    Image.fromarray(VALUES == 1).save(tmp_path / "bit.png")
    assert (read_label(tmp_path / "bit.png") == (VALUES == 1)).all()


@pytest.mark.parametrize(("depth", "highest"), [(2, 3), (4, 15)])
def test_grey_labels_of_few_bits_are_not_stretched(tmp_path: Path, depth: int, highest: int) -> None:
    rows = [[0, 1, highest, 2], [3, highest, 0, 1]]
    packed = b"".join(b"\x00" + _pack(row, depth) for row in rows)
    header = struct.pack(">IIBBBBB", 4, 2, depth, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    (tmp_path / "few.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert read_label(tmp_path / "few.png").tolist() == rows


def _pack(row: list[int], depth: int) -> bytes:
    bits = "".join(f"{value:0{depth}b}" for value in row)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def test_colour_and_wide_labels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "colour.png")
    assert refusal(read_label, tmp_path / "colour.png") == (
        f"label {tmp_path / 'colour.png'} is a colour image (RGB); expected one channel of class numbers or a palette"
    )
    Image.fromarray(np.full((4, 5), 300, np.uint16)).save(tmp_path / "wide.png")
    assert "holds the value 300; expected class numbers up to 255" in refusal(read_label, tmp_path / "wide.png")


def test_images_come_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "image.png")
    assert (read_image(tmp_path / "image.png") == COLOURS).all()
    Image.fromarray(COLOURS).save(tmp_path / "image.jpg", quality=95)
    opencv = cv2.imread(str(tmp_path / "image.jpg"), cv2.IMREAD_COLOR)[..., ::-1]
    assert (read_image(tmp_path / "image.jpg") == opencv).all()


def test_grey_images_get_three_channels(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == COLOURS[..., :1]).all()


def test_size_follows_the_orientation_that_decoding_follows(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert image_size(tmp_path / "turned.jpg") == (52, 37) == read_image(tmp_path / "turned.jpg").shape[:2]
    image.save(tmp_path / "plain.jpg")
    assert image_size(tmp_path / "plain.jpg") == (37, 52)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_images_are_refused(tmp_path: Path, suffix: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(COLOURS).save(stream, format="jpeg" if suffix == "jpg" else "png")
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(stream.getvalue()[:-200])
    for read in (read_image, check_complete):
        message = refusal(read, path)
        assert message.startswith(f"image {path} cannot be decoded: ")
        assert message.endswith("replace the file")


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg")
    path = tmp_path / "b.jpg"
    path.write_bytes((tmp_path / "a.jpg").read_bytes() + b"\x00" * 7)
    assert (read_image(path) == read_image(tmp_path / "a.jpg")).all()
    check_complete(path)


def test_a_chunk_of_a_png_that_the_decoder_trips_over_is_refused(tmp_path: Path) -> None:
    """An empty colour profile behind the pixels: Pillow raises an IndexError."""
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path)
    chunk = struct.pack(">I", 0) + b"iCCP" + struct.pack(">I", zlib.crc32(b"iCCP"))
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])
    assert str(path) in refusal(read_label, path)


def test_truncated_labels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "label.png")
    path = tmp_path / "cut.png"
    path.write_bytes((tmp_path / "label.png").read_bytes()[:-300])
    assert refusal(read_label, path).startswith(f"label {path} cannot be decoded: ")


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    page, empty, other = tmp_path / "page.jpg", tmp_path / "empty.jpg", tmp_path / "other.png"
    page.write_text("<html>not found</html>")
    empty.write_bytes(b"")
    other.write_bytes(b"nothing")
    assert refusal(read_image, page) == f"image {page} cannot be decoded: it is an HTML page; replace the file"
    assert "the file is empty" in refusal(read_image, empty)
    assert "it is no picture of a known format" in refusal(read_label, other)
    assert refusal(image_size, other) == (
        f"image {other} cannot be read: it is no picture of a known format; replace the file"
    )


def test_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    for read, kind in ((read_image, "image"), (read_label, "label"), (image_size, "image")):
        assert refusal(read, path) == f"{kind} {path} does not exist; check the folder, or the list that names it"
