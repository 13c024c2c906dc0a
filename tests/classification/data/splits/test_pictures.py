"""Pictures wherever they lie, and what is done to files that are not plain 8-bit colour."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.classification.data.splits.pictures import ArrayPictures, EncodedPictures, FilePictures, decode_picture
from sccan.errors import InputError
from tests.classification.made_up import made_up_pictures


def _encode(picture: Image.Image, form: str = "png") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


COLOUR = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_colour_is_read_as_it_is_and_other_forms_as_pillow_converts_them() -> None:
    rgb = Image.fromarray(COLOUR)
    assert np.array_equal(decode_picture(_encode(rgb), "x"), COLOUR)
    grey = decode_picture(_encode(rgb.convert("L")), "x")
    assert np.array_equal(grey, np.repeat(np.asarray(rgb.convert("L"))[..., None], 3, axis=2))
    for mode, form in (("P", "png"), ("RGBA", "png"), ("LA", "png"), ("1", "png"), ("CMYK", "tiff")):
        picture = rgb.convert(mode)
        assert np.array_equal(decode_picture(_encode(picture, form), "x"), np.asarray(picture.convert("RGB"))), mode


def test_sixteen_bits_keep_their_upper_eight() -> None:
    values = np.array([[0, 255, 256], [4660, 32768, 65535]], np.uint16)
    got = decode_picture(_encode(Image.fromarray(values)), "x")
    assert got[..., 0].tolist() == [[0, 0, 1], [18, 128, 255]]
    assert got.shape == (2, 3, 3)


def test_what_has_no_colours_is_refused() -> None:
    with pytest.raises(InputError, match="fractions \\(float\\) from -1 to -1, which are no colours"):
        decode_picture(_encode(Image.fromarray(-np.ones((2, 3), np.float32)), "tiff"), "x")
    with pytest.raises(InputError, match="x holds values from 1.04858e\\+06 to 1.04858e\\+06, which are no colours"):
        decode_picture(_encode(Image.fromarray(np.full((2, 3), 1 << 20, np.int32)), "tiff"), "x")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "picture x cannot be decoded: the file is empty"),
        (b"no picture", "picture x cannot be decoded: it is no picture of a known format"),
        (_encode(Image.fromarray(COLOUR))[:-30], "picture x cannot be decoded"),
    ],
)
def test_what_is_no_picture_is_told(data: bytes, line: str) -> None:
    with pytest.raises(InputError, match=line):
        decode_picture(data, "picture x")


def test_names_counts_and_class_pictures_belong_together() -> None:
    pictures = made_up_pictures((2, 4, 3))
    listed = pictures.class_pictures()
    assert pictures.counts == (2, 4, 3)
    assert list(listed.per_class) == [1, 2, 3]
    for number, chosen in listed.per_class.items():
        assert (pictures.labels[chosen] == number - 1).all()
        assert [pictures.names[n] for n in chosen] == [f"class{number - 1}/{k:05d}" for k in range(len(chosen))]
    assert len(set(pictures.names)) == 9
    index = pictures.index()
    assert (index.counts.argmax(1) == pictures.labels + 1).all()
    assert index.number_of(pictures.names[5]) == 5
    assert index.class_names == ("class0", "class1", "class2")


def test_swapped_arrays_are_read_as_rgb() -> None:
    images = COLOUR[None]
    swapped = ArrayPictures(images, np.zeros(1), ["a"], title="x", swap=True)
    assert np.array_equal(swapped.read(0), COLOUR[..., ::-1])


def test_encoded_pictures_are_cut_out_of_one_array() -> None:
    parts = [_encode(Image.fromarray(COLOUR)), _encode(Image.fromarray(COLOUR[::-1].copy()))]
    content = np.frombuffer(b"".join(parts), np.uint8)
    pictures = EncodedPictures(content, np.cumsum([0, *map(len, parts)]), np.array([0, 1]), ["a", "b"], title="x")
    assert np.array_equal(pictures.read(1), COLOUR[::-1])
    with pytest.raises(InputError, match="2 pictures but 1 labels"):
        EncodedPictures(content, np.cumsum([0, *map(len, parts)]), np.array([0]), ["a"], title="x")


def test_a_file_that_is_missing_or_broken_is_told_by_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text")
    pictures = FilePictures([tmp_path / "a.png", tmp_path / "b.png"], [0, 0], ["c"], title="x")
    with pytest.raises(InputError, match=r"a\.png cannot be decoded: it is no picture"):
        pictures.read(0)
    with pytest.raises(InputError, match=r"b\.png does not exist"):
        pictures.read(1)


def test_files_of_one_stem_keep_different_names(tmp_path: Path) -> None:
    pictures = FilePictures([tmp_path / "a.png", tmp_path / "a.jpg"], [0, 0], ["c"], title="x")
    assert pictures.names == ("c/a.png", "c/a.jpg")


def test_arrays_of_another_form_and_classes_without_pictures_are_refused() -> None:
    with pytest.raises(InputError, match=r"float32 \[1, 5, 7, 3\], expected uint8"):
        ArrayPictures(np.zeros((1, 5, 7, 3), np.float32), np.zeros(1), ["a"], title="x")
    with pytest.raises(InputError, match="2 pictures but 1 labels"):
        ArrayPictures(np.zeros((2, 5, 7, 3), np.uint8), np.zeros(1), ["a"], title="x")
    with pytest.raises(InputError, match="holds no picture of class 'b'"):
        ArrayPictures(np.zeros((1, 5, 7, 3), np.uint8), np.zeros(1), ["a", "b"], title="x")
    with pytest.raises(InputError, match="holds no picture; expected files"):
        ArrayPictures(np.zeros((0, 5, 7, 3), np.uint8), np.zeros(0), [], title="x")
