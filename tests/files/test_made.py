"""A folder of results: what is ours is known, what is not stays as it is."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.made import RECORD, Made, holds_test, made_before
from sccan.files.safe_names import folded, safe_name, safe_names


def test_what_was_claimed_is_known_the_next_time(tmp_path: Path) -> None:
    made = Made(tmp_path / "out")
    made.claim("a.png").write_text("1")
    path = made.claim("sub/b\n\u00e4.png")
    path.parent.mkdir()
    path.write_text("2")
    again = Made(tmp_path / "out")
    assert again.names == {"a.png", "sub/b\n\u00e4.png"}
    again.require(again.names)
    assert again.claim("a.png") == tmp_path / "out" / "a.png"
    with (tmp_path / "out" / RECORD).open("a") as record:
        record.write('"half')  # of a killed process
    assert Made(tmp_path / "out").names == again.names


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("mine")
    with pytest.raises(InputError, match=r"summary\.csv is there and no result of this command; choose another --out"):
        Made(tmp_path).claim("summary.csv")
    assert Made(tmp_path, overwrite=True).claim("summary.csv") == tmp_path / "summary.csv"


def test_nothing_is_written_through_links_or_outside(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlays").symlink_to(tmp_path / "other")
    (tmp_path / "out" / "a.png").symlink_to(tmp_path / "other" / "a.png")
    for overwrite in (False, True):
        made = Made(tmp_path / "out", overwrite=overwrite)
        for name in ("overlays/b.jpg", "a.png"):
            with pytest.raises(InputError, match="is a link, and results are not written through links"):
                made.claim(name)
        for name in ("../b.png", "/tmp/b.png", "sub/../../b.png", "", "a\0b"):
            with pytest.raises(InputError, match="would lie outside of"):
                made.claim(name)
    assert os.listdir(tmp_path / "other") == []
    (tmp_path / "out" / RECORD).symlink_to(tmp_path / "other" / "record")
    with pytest.raises(InputError, match="is a link"):
        Made(tmp_path / "out")


def test_only_our_own_copies_are_cleared(tmp_path: Path) -> None:
    made = Made(tmp_path)
    for name in ("sorted/a/1.jpg", "sorted/b/2.jpg", "sorted.txt"):
        path = made.claim(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "sorted" / "b" / "mine.jpg").write_text("")
    assert Made(tmp_path).clear("sorted") == 2
    assert sorted(path.name for path in (tmp_path / "sorted").rglob("*")) == ["b", "mine.jpg"]
    assert (tmp_path / "sorted.txt").exists()


def test_what_an_earlier_version_left_is_asked_for_where_there_is_no_record(tmp_path: Path) -> None:
    names = ["results.json", "results.txt"]
    (tmp_path / "results.txt").write_text("old")
    for content, ours in (
        ("{}", False),
        ("[1]", False),
        ("{", False),
        ('{"method":1,"seeds":[],"checkpoint_digest":""}', True),
    ):
        (tmp_path / "results.json").write_text(content)
        assert holds_test(tmp_path) == ours
        if not ours:
            with pytest.raises(InputError, match=r"results\.json is there and no result of this command"):
                made_before(tmp_path, names, holds_test)
    made_before(tmp_path, names, holds_test).claim("results.txt")
    assert Made(tmp_path).names == set(names)  # from now on the record knows
    (tmp_path / "classes.csv").touch()
    with pytest.raises(InputError, match=r"classes\.csv is there"):
        made_before(tmp_path, [*names, "classes.csv"], holds_test)


def test_a_folder_in_which_nothing_was_written_but_the_record_is_taken_away(tmp_path: Path) -> None:
    for name in ("empty", "used"):
        with alone_in(tmp_path / name):
            path = Made(tmp_path / name).claim("a.png")
            if name == "used":
                path.touch()
    assert os.listdir(tmp_path) == ["used"]


@pytest.mark.parametrize("content", ["{", "3\n", "[]\n", "\xff\n"])
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORD).write_bytes(content.encode("latin-1"))
    if content == "{":
        assert Made(tmp_path).names == set()
        return
    with pytest.raises(InputError, match="record"):
        Made(tmp_path)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("mug", "mug"),
        ("../../escaped", "___.._escaped"),
        ("screw M4/M5", "screw M4_M5"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("   ", "unnamed"),
        (".hidden", "_hidden"),
        ("ends. ", "ends"),
        ("CON", "CON_"),
        ("nul.txt", "nul.txt_"),
        ("a\x1b[31m\n", "a_[31m_"),
        ("B\u00e4r \u718a", "B\u00e4r \u718a"),
    ],
)
def test_names_become_names_of_files(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=300), max_size=12))
def test_any_names_become_different_files_of_one_folder(names: list[str]) -> None:
    found = safe_names(names)
    assert set(found) == set(names)
    for safe in found.values():
        assert safe == Path(safe).name
        assert safe not in ("", ".", "..")
        assert len(safe.encode()) <= 220
        assert safe.isprintable() or not any(ord(character) < 32 for character in safe)
    assert len({folded(safe) for safe in found.values()}) == len(found)
