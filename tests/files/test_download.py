"""Downloads from a local server that breaks off, lies, refuses or cannot continue."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.files import download
from sccan.files.download import Archive, fetch
from sccan.segmentation.data.prepare.voc import Sources, prepare_pascal
from tests.files.loopback import CONTENT, Server
from tests.segmentation.data.prepare import made_up

MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def archive(address: str, md5: str = MD5) -> Archive:
    return Archive("x.zip", (f"{address}/x.zip",), md5)


def test_a_connection_that_breaks_half_way_is_continued(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    state.break_after = [150_000, 0, 70_000]
    path = fetch(archive(address), tmp_path, pause=0.01)
    assert path.read_bytes() == CONTENT
    assert state.asked == [None, "bytes=150000-", "bytes=150000-", "bytes=220000-"]
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


def test_a_run_that_was_killed_is_continued_by_the_next_one(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    (tmp_path / "x.zip.part").write_bytes(CONTENT[:123_456])
    assert fetch(archive(address), tmp_path).read_bytes() == CONTENT
    assert state.asked == ["bytes=123456-"]


def test_one_that_was_killed_after_the_last_byte_too(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    (tmp_path / "x.zip.part").write_bytes(CONTENT)
    assert fetch(archive(address), tmp_path).read_bytes() == CONTENT
    assert state.asked == ["bytes=300000-"]


def test_a_pipe_where_the_unfinished_file_would_be_is_refused(tmp_path: Path, server: tuple[Server, str]) -> None:
    os.mkfifo(tmp_path / "x.zip.part")
    with pytest.raises(InputError, match=r"x\.zip\.part is a pipe; expected a file"):
        fetch(archive(server[1]), tmp_path)


def test_a_server_that_cannot_continue_sends_everything_again(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    state.ranges, state.break_after = False, [100_000]
    assert fetch(archive(address), tmp_path, pause=0.01).read_bytes() == CONTENT


def test_a_file_without_announced_length_is_checked_by_its_sum(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    state.announce = False
    assert fetch(archive(address), tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_the_file_removed(tmp_path: Path, server: tuple[Server, str]) -> None:
    wrong = "0" * 32
    line = (
        f"x.zip was downloaded with MD5 {MD5}, but {wrong} is expected; the file was removed: run the same command "
        "again, or fetch it by other means"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        fetch(archive(server[1], wrong), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_verified_and_not_fetched(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    (tmp_path / "x.zip").write_bytes(CONTENT)
    assert fetch(archive(address), tmp_path) == tmp_path / "x.zip"
    (tmp_path / "x.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(
        InputError, match=rf"x\.zip has MD5 \w+, but {MD5} is expected; it is damaged or another release"
    ):
        fetch(archive(address), tmp_path)
    assert state.asked == []
    assert (tmp_path / "x.zip").exists()  # the user's file is not ours to remove


def test_the_second_address_serves_when_the_first_refuses(tmp_path: Path, server: tuple[Server, str]) -> None:
    _, address = server
    two = Archive("x.zip", (f"{address}/gone/x.zip", f"{address}/x.zip"), MD5)
    assert fetch(two, tmp_path).read_bytes() == CONTENT


def test_passing_trouble_of_the_server_is_waited_out(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    state.codes = [503, 429]
    assert fetch(archive(address), tmp_path, pause=0.01).read_bytes() == CONTENT


def test_no_answer_is_one_line_that_says_what_to_do(tmp_path: Path, server: tuple[Server, str]) -> None:
    _, address = server
    line = (
        f"y.zip cannot be downloaded ({address}/y.zip: the server answers 404 Not Found); run the same command again "
        f"to continue, or put the file into {tmp_path} yourself"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        fetch(Archive("y.zip", (f"{address}/y.zip",), MD5), tmp_path)
    with pytest.raises(InputError, match=r"y\.zip cannot be downloaded \(http://127\.0\.0\.1:1/y\.zip: .*refused"):
        fetch(Archive("y.zip", ("http://127.0.0.1:1/y.zip",), MD5), tmp_path, pause=0.001)


def test_a_silent_connection_counts_as_broken(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    silence = threading.Event()
    original = state.answer

    def silent_once(request: BaseHTTPRequestHandler) -> None:
        state.answer = original  # type: ignore[method-assign]
        silence.wait(2)

    state.answer = silent_once  # type: ignore[method-assign]
    assert fetch(archive(address), tmp_path, pause=0.01, timeout=0.2).read_bytes() == CONTENT
    silence.set()


def test_too_small_a_disk_is_said_before_the_download(
    tmp_path: Path, server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(InputError, match=r"x\.zip needs 0\.00 GB more, but 0\.00 GB are free at .*; free some space"):
        fetch(archive(server[1]), tmp_path)
    assert not (tmp_path / "x.zip").exists()


def test_pascal_from_two_downloads(tmp_path: Path, server: tuple[Server, str]) -> None:
    state, address = server
    voc = made_up.write_tar(tmp_path / "voc.tar", made_up.voc_members()).read_bytes()
    sbd = made_up.write_tar(tmp_path / "sbd.tgz", made_up.sbd_members(), "w:gz").read_bytes()
    state.files = {"/v/voc.tar": voc, "/s/sbd.tgz": sbd}
    state.break_after = [len(voc) // 2]
    archives = [
        Archive(f"{name}", (f"{address}{path}",), hashlib.md5(content, usedforsecurity=False).hexdigest())
        for name, path, content in (("voc.tar", "/v/voc.tar", voc), ("sbd.tgz", "/s/sbd.tgz", sbd))
    ]
    root = tmp_path / "root"
    made = prepare_pascal(root, Sources(download=True), workers=1, voc_archive=archives[0], sbd_archive=archives[1])
    assert made.lists["val.txt"] == len(made_up.VOC_VAL)
    assert {path.name for path in (root / "downloads").iterdir()} == {"voc.tar", "sbd.tgz"}
