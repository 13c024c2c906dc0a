"""Pictures of every kind that cameras and programs make, and what is no picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.photos import Photo, as_rgb, find_photos, is_single, read_photo, readable
from tests.predict.made_up import disc, save

IMAGE, _ = disc(24, 36)
GREY = IMAGE[..., 0]


def test_a_turned_photograph_comes_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: the stored picture is to be turned right
    picture = Image.fromarray(IMAGE)
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = read_photo(tmp_path / "a.jpg")
    assert found.shape == (36, 24, 3)
    stored = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(found - np.rot90(stored, -1)).max() < 3
    np.testing.assert_array_equal(as_rgb(Image.open(tmp_path / "a.jpg")).shape, found.shape)


def test_grey_palette_and_16_bits_become_rgb(tmp_path: Path) -> None:
    wanted = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_photo(save(tmp_path / "grey.png", GREY)), wanted)
    deep = (GREY.astype(np.uint16) << 8) + 77
    np.testing.assert_array_equal(read_photo(save(tmp_path / "deep.png", deep)), wanted)
    palette = Image.fromarray(GREY).convert("P")
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(as_rgb(GREY), wanted)
    np.testing.assert_array_equal(read_photo(save(tmp_path / "a.tif", IMAGE)), IMAGE)


def test_a_printers_picture_keeps_its_colours(tmp_path: Path) -> None:
    flat = np.zeros((16, 16, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_photo(tmp_path / "a.jpg").astype(int) - flat).max() < 12


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    clear = np.dstack([IMAGE, np.where(GREY > 100, 255, 0).astype(np.uint8)])
    found = read_photo(save(tmp_path / "a.png", clear))
    np.testing.assert_array_equal(found[GREY > 100], IMAGE[GREY > 100])
    assert (found[GREY <= 100] == 255).all()
    np.testing.assert_array_equal(as_rgb(clear), found)


def test_what_is_no_picture_is_one_clear_line(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"cut\.jpg cannot be decoded: .*(?i:truncated)"):
        read_photo(tmp_path / "cut.jpg")
    with pytest.raises(InputError, match="it is an HTML page; replace the file"):
        read_photo(tmp_path / "page.jpg")
    with pytest.raises(InputError, match=r"float64 \[24, 36\]; expected uint8"):
        as_rgb(GREY / 255)
    with pytest.raises(InputError, match="is a list; give a path, an array"):
        as_rgb([1, 2])
    with pytest.raises(InputError, match="there is no picture or folder"):
        find_photos(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no picture; expected files ending in .jpg"):
        find_photos(tmp_path / "empty")
    with pytest.raises(InputError, match=r"two pictures are called a\.jpg"):
        find_photos([tmp_path / "a.jpg", save(tmp_path / "more" / "a.jpg", IMAGE)])


def test_a_folder_is_searched_with_its_sub_folders_and_without_results(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.png", "deep/er/c.webp", "out/a.png", ".hidden/d.jpg"):
        save(tmp_path / name, IMAGE)
    for name in ("x.heic", "y.HEIC", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [one.name for one in find_photos(tmp_path, leave_out=[tmp_path / "out"])] == [
        "a.png",
        "b.jpg",
        "deep/er/c.webp",
    ]
    with pytest.raises(InputError, match="is named for the pictures and for the results"):
        find_photos(tmp_path / "deep", leave_out=[tmp_path / "deep"])
    assert len(find_photos(tmp_path / "deep", leave_out=[tmp_path])) == 1  # results above the pictures
    passed = Tally()
    assert len(find_photos(tmp_path, leave_out=[tmp_path / "out"], passed=passed)) == 3
    assert passed.lines() == [
        "passed over, as they are hidden or a system's own: 1 (.hidden)",
        "passed over, as their ending is .txt: 1 (notes.txt)",
        "passed over, as their ending is .heic (save them as .jpg or .png): 2 (x.heic, y.HEIC)",
    ]
    found = find_photos([tmp_path / "b.jpg", IMAGE, Photo("mine", IMAGE)])
    assert [one.name for one in found] == ["b.jpg", "picture 1", "mine"]
    assert [is_single(one) for one in (tmp_path / "b.jpg", IMAGE, tmp_path, [IMAGE])] == [True, True, False, False]


def test_many_pictures_come_in_order_and_broken_ones_are_told(tmp_path: Path) -> None:
    for number in range(7):
        save(tmp_path / f"{number}.png", np.full((5, 6), number, np.uint8))
    (tmp_path / "3.png").write_bytes(b"broken")
    told: list[str] = []
    found = list(readable(find_photos(tmp_path), lambda photo, error: told.append(f"{photo.name}: {error}")))
    assert [int(image[0, 0, 0]) for _, image in found] == [0, 1, 2, 4, 5, 6]
    assert len(told) == 1
    assert told[0].startswith("3.png: image")
    with pytest.raises(InputError, match=r"3\.png cannot be decoded"):
        list(readable(find_photos(tmp_path)))
