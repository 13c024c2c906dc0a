"""What is in a folder besides pictures: passed over, and counted."""

import os
from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.matching import PictureNames
from sccan.files.tally import Tally
from sccan.files.walking import walk
from sccan.pictures.photos import find_photos
from tests.predict.made_up import save

DOT = np.zeros((4, 5, 3), np.uint8)


def test_everything_that_is_no_picture_is_counted(tmp_path: Path) -> None:
    for name in ("a.JPG", "deep/er/b.TiFf", "c.png"):
        save(tmp_path / name.replace("TiFf", "tiff"), DOT)
    (tmp_path / "deep/er/b.tiff").rename(tmp_path / "deep/er/b.TiFf")
    for name in ("._a.JPG", "__MACOSX/x.jpg", "Thumbs.db", "desktop.ini", "a.xmp", "IMG.json", "x.CR2", "@eaDir/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "c.png")
    (tmp_path / "folder.jpg").mkdir()
    passed = Tally()
    photos = find_photos(tmp_path, passed=passed)
    assert [photo.name for photo in photos] == ["a.JPG", "c.png", "deep/er/b.TiFf", "linked.jpg"]
    assert {what: [name for other, name in passed if other == what] for what, _ in passed} == {
        "passed over, as they are hidden or a system's own": [
            "._a.JPG", "@eaDir", "Thumbs.db", "__MACOSX", "desktop.ini",
        ],
        "passed over, as they are links to folders": ["again"],
        "passed over, as they are links to nothing": ["gone.jpg"],
        "passed over, as they are no regular files": ["pipe.jpg", "zero.png"],
        "passed over, as their ending is .json": ["IMG.json"],
        "passed over, as their ending is .xmp": ["a.xmp"],
        "passed over, as their ending is .cr2 (save them as .jpg or .png)": ["x.CR2"],
    }  # fmt: skip


def test_a_deep_tree_and_one_that_is_deeper_than_any(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(80):
        place = place / "d"
    place.mkdir(parents=True)
    save(tmp_path / "a.jpg", DOT)
    walked = walk(tmp_path)
    assert [path.name for path in walked.pictures] == ["a.jpg"]
    assert any("more than 64 folders deep" in line for line in walked.passed.lines())


def test_names_that_are_no_text_are_written_out(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", DOT)
    os.rename(tmp_path / "a.jpg", os.fsencode(tmp_path) + b"/b\xff\x1b[31m.jpg")
    (photo,) = find_photos(tmp_path)
    assert photo.name == "b\\xff\x1b[31m.jpg"
    assert photo.read().shape == (4, 5, 3)
    tally = Tally([("seen", photo.name)])
    assert tally.lines() == ["seen: 1 (b\\xff\\x1b[31m.jpg)"]


def _names(tmp_path: Path, *files: str) -> PictureNames:
    for file in files:
        save(tmp_path / "images" / file, DOT)
    return PictureNames(tmp_path, sorted((tmp_path / "images").rglob("*.jpg")), [tmp_path / "images"])


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("images/a.jpg", "a.jpg"),
        (".\\images\\a.jpg", "a.jpg"),
        ("/home/somebody/set/a.jpg", "a.jpg"),
        ("A.JPG", "a.jpg"),
        ("a.png", "a.jpg"),
        ("data/upload/3/0123abcd-a.jpg", "a.jpg"),
        ("two%20words.jpg?d=1", "two words.jpg"),
        ("x/b.jpg", "x/b.jpg"),
        ("other/y/b.jpg", "y/b.jpg"),
        ("Ba\u0308r.jpg", "B\u00e4r.jpg"),
        ("c.jpg", None),
        ("", None),
    ],
)
def test_names_in_annotations_find_the_picture_that_is_meant(tmp_path: Path, stated: str, meant: str | None) -> None:
    names = _names(tmp_path, "a.jpg", "two words.jpg", "x/b.jpg", "y/b.jpg", "B\u00e4r.jpg")
    found = names.find(stated)
    assert found == (None if meant is None else tmp_path / "images" / meant)


def test_a_name_that_may_be_two_pictures_is_refused(tmp_path: Path) -> None:
    names = _names(tmp_path, "x/b.jpg", "y/b.jpg")
    with pytest.raises(
        InputError, match=r"b\.jpg may be images/[xy]/b\.jpg or images/[xy]/b\.jpg; name it with its folder"
    ):
        names.find("b.jpg")
