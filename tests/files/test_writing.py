"""Files appear whole or not at all."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.files.writing import write_bytes_atomically, write_json, write_text_atomically, written_beside


def test_text_bytes_and_json_are_written_into_missing_folders(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert write_text_atomically(folder / "t.txt", "±\n").read_bytes() == "±\n".encode()
    assert write_bytes_atomically(folder / "b.bin", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert json.loads(write_json(folder / "j.json", {"ü": [1, None, 0.5]}).read_text("utf-8")) == {"ü": [1, None, 0.5]}
    assert sorted(path.name for path in folder.iterdir()) == ["b.bin", "j.json", "t.txt"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), PLAIN, min_size=1, max_size=4) | st.lists(PLAIN, max_size=3))
def test_lists_that_are_not_in_memory_are_written_as_those_that_are(value: dict[str, Any] | list[Any]) -> None:
    if isinstance(value, list):
        walked: Any = iter(value)
    else:
        walked = {name: iter(one) if isinstance(one, list) else one for name, one in value.items()}
    with tempfile.TemporaryDirectory() as folder:
        written = write_json(Path(folder) / "walked.json", walked).read_bytes().decode("utf-8", "surrogatepass")
    assert written == json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def test_text_in_parts(tmp_path: Path) -> None:
    assert write_text_atomically(tmp_path / "t", (f"{number}\r\n" for number in range(3))).read_bytes() == (
        b"0\r\n1\r\n2\r\n"
    )
    assert write_text_atomically(tmp_path / "u", "no name \udcff").read_bytes() == b"no name \\udcff"


def test_an_interrupted_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_text_atomically(tmp_path / "weights", "old")

    def interrupted() -> None:
        with written_beside(path) as beside:
            beside.write_text("half of the new")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("a longer first text", "second"):
        write_text_atomically(path, text)
    assert path.read_text() == "second"


def test_files_get_the_rights_of_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    ours = write_text_atomically(tmp_path / "ours", "")
    assert ours.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"cannot write .*file/x: .*; a part of the path is a file; choose another folder"
    ):
        write_text_atomically(tmp_path / "file" / "x", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*folder: .*; the path is a folder; choose a file name"):
        write_text_atomically(tmp_path / "folder", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    def write_to_a_full_disk() -> None:
        with written_beside(tmp_path / "x") as beside:
            beside.write_bytes(b"the first part")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match="No space left on device; free some disk space or choose another folder"):
        write_to_a_full_disk()
    assert not list(tmp_path.iterdir())


def test_numbers_that_json_has_no_name_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"iou": float("nan")})
    assert not list(tmp_path.iterdir())
