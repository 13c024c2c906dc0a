"""One rule for which way up a picture is, in every container and every reader."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from sccan.classification.data.splits.pictures import FilePictures, decode_picture
from sccan.pictures.decoding import image_size, read_image, read_label, read_whole
from sccan.pictures.masks import read_mask
from sccan.pictures.orientation import upright
from sccan.pictures.photos import as_rgb, read_photo
from tests.pictures.pictures import STORED, noted, with_exif, with_xmp

FORMS = ("jpg", "png", "webp", "tif")


def wanted(orientation: int) -> np.ndarray:
    """By Pillow, whose arithmetic is not ours."""
    picture = Image.fromarray(STORED)
    picture.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_pixels_are_turned_as_exif_counts(orientation: int) -> None:
    np.testing.assert_array_equal(upright(STORED, orientation), wanted(orientation))
    np.testing.assert_array_equal(upright(STORED[..., 0], orientation), wanted(orientation)[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["exif", "xmp"])
def test_every_reader_turns_every_kind_of_file(tmp_path: Path, orientation: int, form: str, place: str) -> None:
    path = (with_exif if place == "exif" else with_xmp)(tmp_path / f"a.{form}", orientation)
    want = wanted(orientation)
    assert image_size(path) == want.shape[:2]
    readers = (read_photo, read_image, lambda file: read_whole(file, background="none").pixels)
    found = [reader(path) for reader in readers]
    found += [as_rgb(Image.open(path)), FilePictures([path], [0], ["a"], title="x").read(0)]
    for pixels in found:
        assert pixels.shape == want.shape
        assert np.abs(pixels.astype(int) - want).mean() < 2


@pytest.mark.parametrize("form", ["element", "apostrophes"])
def test_xmp_may_be_written_in_several_ways(tmp_path: Path, form: str) -> None:
    assert image_size(with_xmp(tmp_path / "a.png", 6, form)) == (30, 20)


def test_exif_counts_before_xmp_and_what_is_no_orientation_says_nothing(tmp_path: Path) -> None:
    from tests.pictures.pictures import xmp

    Image.fromarray(STORED).save(tmp_path / "a.jpg", exif=noted(1), xmp=xmp(6))
    assert image_size(tmp_path / "a.jpg") == (20, 30)
    for number, value in enumerate((0, 9, 77)):
        path = with_exif(tmp_path / f"{number}.jpg", value)
        assert image_size(path) == read_photo(path).shape[:2] == (20, 30)
    Image.fromarray(STORED).save(tmp_path / "b.jpg", exif=b"Exif\x00\x00spoilt")
    assert read_photo(tmp_path / "b.jpg").shape == (20, 30, 3)


def test_transparent_pictures_are_turned_too(tmp_path: Path) -> None:
    clear = np.dstack([STORED, np.full(STORED.shape[:2], 255, np.uint8)])
    clear[15:, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "a.png", exif=noted(6))
    found = read_photo(tmp_path / "a.png")
    assert found.shape == (30, 20, 3)
    assert (found[:, :5] == 255).all()


def test_labels_and_masks_follow_the_rule(tmp_path: Path) -> None:
    mask = (STORED[..., 0] > 100).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "a.png", exif=noted(8))
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), np.rot90(mask))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png").values, np.rot90(mask))


def test_pictures_of_a_published_list_are_read_as_published(tmp_path: Path) -> None:
    data = with_exif(tmp_path / "a.jpg", 6).read_bytes()
    assert decode_picture(data, "a", turned=False).shape == (20, 30, 3)
    assert decode_picture(data, "a").shape == (30, 20, 3)
