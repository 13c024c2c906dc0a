"""Archives from outside: nothing leaves the folder, nothing half-written stays, a killed run continues."""

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.archives import unpack
from tests.segmentation.data.prepare.made_up import write_tar, write_zip

NOISE = np.random.default_rng(0).bytes(20_000)
GOOD = {"top/a.txt": b"one", "top/sub/b.bin": NOISE, "top/skip.txt": b"no"}


def keep(name: str) -> str | None:
    return name.removeprefix("top/") if "skip" not in name else None


def written(kind: str, folder: Path, members: dict[str, bytes]) -> Path:
    if kind == "zip":
        return write_zip(folder / "x.zip", members)
    return write_tar(folder / f"x.{kind}", members, "w:gz" if kind == "tgz" else "w")


@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
def test_chosen_members_land_where_they_should_and_only_those(tmp_path: Path, kind: str) -> None:
    archive = written(kind, tmp_path, GOOD)
    files = unpack(archive, tmp_path / "out", keep)
    assert sorted(files) == [tmp_path / "out" / "a.txt", tmp_path / "out" / "sub" / "b.bin"]
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(files)
    assert (tmp_path / "out" / "sub" / "b.bin").read_bytes() == GOOD["top/sub/b.bin"]


@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("/etc/evil", "an absolute path"),
        ("top/../../evil", "a path that leads upwards"),
        ("..\\evil", "a path that leads upwards"),
        ("C:\\evil", "an absolute path"),
        ("\\\\host\\share", "an absolute path"),
    ],
)
def test_a_member_that_leads_elsewhere_refuses_the_whole_archive(
    tmp_path: Path, kind: str, name: str, what: str
) -> None:
    archive = written(kind, tmp_path, {**GOOD, name: b"evil"})
    line = f"{archive} holds {name!r}, which is {what}; nothing was unpacked: fetch the official archive"
    with pytest.raises(InputError, match=re.escape(line)):
        unpack(archive, tmp_path / "out", lambda member: None)
    assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.iterdir()} == {archive.name}


def test_a_member_without_a_name_refuses_the_whole_zip(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo("top/a.txt"), b"one")
        opened.writestr(zipfile.ZipInfo(""), b"evil")
    with pytest.raises(InputError, match=r"x\.zip holds '', which is no name of a file; nothing was unpacked"):
        unpack(archive, tmp_path / "out", keep)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("top/a.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"one"))
        odd = tarfile.TarInfo("top/odd")
        odd.type, odd.linkname = kind, "/etc/passwd"
        archive.addfile(odd)
    with pytest.raises(InputError, match=rf"holds 'top/odd', which is {what}; nothing was unpacked"):
        unpack(path, tmp_path / "out", keep)
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("top/odd")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match="holds 'top/odd', which is a link"):
        unpack(path, tmp_path / "out", keep)


@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
def test_a_cut_off_archive_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    archive = written(kind, tmp_path, GOOD)
    archive.write_bytes(archive.read_bytes()[:9000])
    with pytest.raises(InputError, match=rf"x\.{kind} cannot be unpacked: .*; it is damaged or no archive: fetch it"):
        unpack(archive, tmp_path / "out", keep)
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("missing", [1, 20, 60])
def test_a_zip_without_its_beginning_is_refused_in_one_line(tmp_path: Path, missing: int) -> None:
    archive = written("zip", tmp_path, GOOD)
    archive.write_bytes(archive.read_bytes()[missing:])
    with pytest.raises(InputError, match=r"x\.zip cannot be unpacked: .* lies before the beginning of the file; it is"):
        unpack(archive, tmp_path / "out", keep)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "line"),
    [("tgz", "it ends with a megabyte of zeros, as a file does that"), ("tar", "more than 16 MB stand behind its end")],
)
def test_an_archive_that_is_filled_up_with_zeros_is_refused_at_once(tmp_path: Path, kind: str, line: str) -> None:
    archive = written(kind, tmp_path, GOOD)
    whole = archive.stat().st_size
    os.truncate(archive, whole + 10_000)  # to a whole block of a tape
    assert len(unpack(archive, tmp_path / "out", keep)) == 2
    os.truncate(archive, 1 << 40)
    with pytest.raises(InputError, match=rf"x\.{kind} cannot be unpacked: {line}"):
        unpack(archive, tmp_path / "none", keep)


def test_zeros_within_what_is_compressed_are_not_gone_through(tmp_path: Path) -> None:
    tar = written("tar", tmp_path, GOOD).read_bytes()
    (tmp_path / "x.tgz").write_bytes(gzip.compress(tar + bytes(20 << 20), 1))
    with pytest.raises(InputError, match=r"more than 16 MB stand behind its end"):
        unpack(tmp_path / "x.tgz", tmp_path / "out", keep)


def test_altered_content_of_a_zip_leaves_no_file(tmp_path: Path) -> None:
    archive = written("zip", tmp_path, GOOD)
    content = bytearray(archive.read_bytes())
    content[content.find(NOISE)] ^= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"Bad CRC-32 for file 'top/sub/b\.bin'; it is damaged"):
        unpack(archive, tmp_path / "out", keep)
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["a.txt"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_files_of_the_right_size_stay_and_the_others_are_unpacked_again(tmp_path: Path, kind: str) -> None:
    archive = written(kind, tmp_path, GOOD)
    out = tmp_path / "out"
    unpack(archive, out, keep)
    (out / "a.txt").write_bytes(b"")
    kept = (out / "sub" / "b.bin").stat().st_mtime_ns
    unpack(archive, out, keep)
    assert (out / "a.txt").read_bytes() == b"one"
    assert (out / "sub" / "b.bin").stat().st_mtime_ns == kept


def test_what_is_no_archive_or_not_there_is_said(tmp_path: Path) -> None:
    page = tmp_path / "x.tgz"
    page.write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"x\.tgz cannot be unpacked: .*; it is damaged or no archive: fetch it again"):
        unpack(page, tmp_path / "out", keep)
    with pytest.raises(InputError, match=r"archive .*none\.zip does not exist; check the path"):
        unpack(tmp_path / "none.zip", tmp_path / "out", keep)


def test_too_small_a_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = written("zip", tmp_path, GOOD)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(InputError, match=r"unpacking x\.zip needs 0\.00 GB, but 0\.00 GB are free at .*out; free some"):
        unpack(archive, tmp_path / "out", keep)
    assert not any((tmp_path / "out").iterdir())
