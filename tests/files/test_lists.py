"""A text file names pictures, a path per line."""

from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.pictures.photos import find_photos
from tests.predict.made_up import disc, save


def test_lines_are_seen_from_the_lists_folder_and_are_the_names(tmp_path: Path) -> None:
    image, _ = disc(20, 30)
    for name in ("in/a.png", "in/more/a.png", "out/c.png"):
        save(tmp_path / name, image)
    names = tmp_path / "in" / "list.txt"
    names.write_text(f"more/a.png\n\n  a.png  \n{tmp_path / 'out' / 'c.png'}\n")
    photos = find_photos(names)
    assert [photo.name for photo in photos] == ["more/a.png", "a.png", "c.png"]
    assert [photo.read().shape for photo in photos] == [(20, 30, 3)] * 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.png\nmissing.png\n", "line 2: there is no picture .*missing.png"),
        ("\n\n", "names no picture; expected a path per line"),
        ("a.png\n../{here}/a.png\n", "two pictures are called a.png"),
        ("a.png\n.\n", "line 2: there is no picture"),
    ],
)
def test_what_a_list_cannot_say_is_refused(tmp_path: Path, text: str, line: str) -> None:
    save(tmp_path / "a.png", disc(20, 30)[0])
    (tmp_path / "list.txt").write_text(text.replace("{here}", tmp_path.name))
    with pytest.raises(InputError, match=line):
        find_photos(tmp_path / "list.txt")
