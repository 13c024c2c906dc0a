"""Which files of a folder are its pictures, and that nothing leads out of it."""

from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.kinds import JOURNAL
from sccan.page.places import find_gallery, key_of
from tests.page.conftest import NAMES
from tests.predict.made_up import save

GREY = np.full((5, 6, 3), 90, np.uint8)


def _names(folder: Path) -> list[str]:
    return [photo.name for photo in find_gallery(folder).photos.values()]


def test_pictures_are_known_by_keys_of_their_names(folder: Path) -> None:
    gallery = find_gallery(folder)
    assert _names(folder) == list(NAMES)
    assert list(gallery.photos) == [key_of(name) for name in NAMES]
    with pytest.raises(InputError, match="no such picture"):
        gallery.photo("0" * 12)


def test_masks_beside_pictures_are_no_pictures(folder: Path) -> None:
    for name in ("a.png", "a_mask.png", "masks/b.png", "more/labels/c.png"):
        save(folder / name, GREY)
    save(folder / "masks" / "of_nothing.png", GREY)
    gallery = find_gallery(folder)
    assert _names(folder) == ["a.jpg", "b.png", "masks/of_nothing.png", "more/c.jpg", "more/d.jpg"]
    assert {path.name for path in gallery.masks} == {"a.png", "a_mask.png", "b.png", "c.png"}


def test_links_that_lead_out_are_left_out_and_told(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "secret.jpg", GREY)
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "inside.jpg").symlink_to(folder / "a.jpg")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    gallery = find_gallery(folder)
    assert _names(folder) == ["a.jpg", "b.png", "inside.jpg", "more/c.jpg", "more/d.jpg"]
    assert any("1 links lead out of the folder" in note for note in gallery.notes)


def test_a_picture_that_becomes_a_link_later_is_refused(folder: Path, tmp_path: Path) -> None:
    gallery = find_gallery(folder)
    save(tmp_path / "secret.jpg", GREY)
    (folder / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg is gone"):
        gallery.read_path(key_of("a.jpg"))
    (folder / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(InputError, match="leads out of the folder"):
        gallery.read_path(key_of("a.jpg"))


def test_results_of_segment_are_left_out(folder: Path) -> None:
    save(folder / "masks" / "a.png", GREY)
    (folder / "masks" / JOURNAL).write_text("{}\n")
    assert _names(folder) == list(NAMES)
    assert any("masks holds results of sccan segment" in note for note in find_gallery(folder).notes)
    with pytest.raises(InputError, match="holds results of sccan segment; give the folder of the pictures"):
        find_gallery(folder / "masks")


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        find_gallery(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no picture"):
        find_gallery(tmp_path)
