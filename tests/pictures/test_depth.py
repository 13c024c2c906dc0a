"""Samples of more than 8 bits: which range they have, and that it is said."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_whole
from sccan.pictures.depth import eight_bits

EIGHT = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
EIGHT[0, 0] = 255


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_range_is_told_by_the_largest_value_and_said(tmp_path: Path, bits: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), (EIGHT[..., ::-1].astype(np.uint16) << (bits - 8)) + 1)
    found = read_whole(path)
    np.testing.assert_array_equal(found.pixels, EIGHT)
    np.testing.assert_array_equal(read_image(path), EIGHT)
    assert found.notes == ([] if bits == 16 else [f"{bits} bits in 16, stretched to 8"])


def test_grey_deep_pictures_get_three_channels(tmp_path: Path) -> None:
    Image.fromarray(EIGHT[..., 0].astype(np.uint16) << 4).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_whole(tmp_path / "a.png").pixels, np.repeat(EIGHT[..., :1], 3, axis=2))


def test_what_the_file_says_counts_before_the_guess(tmp_path: Path) -> None:
    dark = (EIGHT[..., 0] // 16).astype(np.uint16) << 4  # of 12 bits, no value of more than 8
    Image.fromarray(dark).save(tmp_path / "a.tif", tiffinfo={281: 4095})
    np.testing.assert_array_equal(read_whole(tmp_path / "a.tif").pixels[..., 0], dark >> 4)
    assert eight_bits(dark, "x", stated=12)[1] == "12 bits in 16, stretched to 8"


def test_fractions_are_named(tmp_path: Path) -> None:
    share = EIGHT[..., 0].astype(np.float32) / 255
    Image.fromarray(share).save(tmp_path / "a.tif")
    found = read_whole(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels[..., 0], EIGHT[..., 0])
    assert found.notes == ["fractions (float) from 0 to 1, stretched to 8 bits"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (np.array([[np.nan, 1.0]], np.float32), "x holds fractions \\(float\\) from nan to nan, which are no colours"),
        (np.array([[np.inf, 1.0]], np.float32), "from 1 to inf, which are no colours"),
        (np.array([[-3.0, 1.0]], np.float32), "from -3 to 1, which are no colours"),
        (
            np.array([[0, 70_000]], np.int32),
            "x holds values from 0 to 70000, which are no colours; convert it to 8 bits",
        ),
        (np.array([[1j]]), "samples of type complex128"),
    ],
)
def test_what_is_no_colour_is_refused(values: np.ndarray, line: str) -> None:
    with pytest.raises(InputError, match=line):
        eight_bits(values, "x")


def test_opacity_of_deep_pictures_counts(tmp_path: Path) -> None:
    deep = np.zeros((6, 7, 4), np.uint16)
    deep[..., :3] = 4095
    deep[:3, :, 3] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    found = read_whole(tmp_path / "a.png").pixels
    assert (found == 255).all()
    deep[..., :3] = 16
    deep[0, 0, :3] = 4095
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    found = read_whole(tmp_path / "a.png").pixels
    assert found[1, 0].tolist() == [1, 1, 1]
    assert (found[3:] == 255).all()
