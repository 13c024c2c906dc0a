"""Small files that stand for huge ones, and files that are none: refused by what they say, before anything is taken."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from sccan.backbones.weight_files import read_checkpoint
from sccan.classification.data.formats.pickles import read_pickle
from sccan.classification.data.formats.toolkits import read_libfewshot, read_torchmeta
from sccan.errors import InputError
from sccan.files.archives import unpack
from sccan.files.arrays import array_written, read_array, read_arrays

GIGABYTE = 1 << 30


@pytest.fixture(autouse=True)
def little_memory() -> Any:
    """Room for half a gigabyte more than the tests have: what takes more fails here, and not on the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTE // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def unpacked(archive: Path) -> Callable[[], Any]:
    return lambda: unpack(archive, archive.parent / "out", lambda name: name)


def test_an_archive_that_is_mostly_zeros_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 3 * GIGABYTE
    with gzip.open(tmp_path / "a.tgz", "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        stream.write(bytes(1 << 20))
    assert "stands for 3.221 GB" in refusal(unpacked(tmp_path / "a.tgz"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"zeros{number}", bytes(64 << 20))
    assert "set SCCAN_MAX_RATIO" in refusal(unpacked(tmp_path / "a.zip"))
    assert not list((tmp_path / "out").glob("*"))


def test_the_limit_can_be_raised_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"zeros{number}", bytes(64 << 20))
    monkeypatch.setenv("SCCAN_MAX_RATIO", "2000")
    assert len(unpack(tmp_path / "a.zip", tmp_path / "out", lambda name: name)) == 3


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 3 * GIGABYTE
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(4096))
    assert "a header of 3221225472 bytes" in refusal(unpacked(tmp_path / "a.tar"))


def test_a_checksum_at_the_end_is_compared(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("a")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    content = bytearray((tmp_path / "a.tgz").read_bytes())
    content[-6] ^= 1
    (tmp_path / "a.tgz").write_bytes(content)
    assert "CRC check failed" in refusal(unpacked(tmp_path / "a.tgz"))


def test_devices_and_pipes_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.tar").symlink_to("/dev/zero")
    assert "is a device" in refusal(unpacked(tmp_path / "a.tar"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x7f.", ""),  # a place in the memo that is far away: 9 bytes, and a list of 16 GB in C
        (b"\x80\x04\x8e" + (3 * GIGABYTE).to_bytes(8, "little") + b"abc.", "are left"),
        (b"\x80\x04\x95" + (3 * GIGABYTE).to_bytes(8, "little") + b"N.", "are left"),
        (b"\x80\x02" + b"N" + b"\x85" * 200_000 + b".", "cannot be read as a pickle"),
    ],
)
def test_lengths_and_places_that_a_pickle_names_take_no_memory(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.pickle").write_bytes(content)
    if said:
        assert said in refusal(lambda: read_pickle(tmp_path / "a.pickle"))
    else:
        assert read_pickle(tmp_path / "a.pickle") is None


def test_what_is_named_again_and_again_is_gone_through_once(tmp_path: Path) -> None:
    twice: Any = (1,)
    for _ in range(100):
        twice = (twice, twice)
    (tmp_path / "a.pickle").write_bytes(pickle.dumps([twice]))
    assert len(read_pickle(tmp_path / "a.pickle")[0]) == 2
    # the same as a key would be compared for ever
    doubled = b"K\x01\x85q\x00" + b"h\x00h\x00\x86q\x00" * 100
    (tmp_path / "b.pickle").write_bytes(b"\x80\x02}" + doubled + b"Ns.")
    assert "a key that is a tuple" in refusal(lambda: read_pickle(tmp_path / "b.pickle"))


def test_arrays_are_what_their_files_hold(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    with array_written(tmp_path / "a.npy", "float32", (4, 3)) as writer:
        for row in rows:
            writer.add(row)
    assert np.array_equal(read_array(tmp_path / "a.npy", mapped=True, dtype="float32", ndim=2), rows)
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "c.npy").write_bytes(content.replace(b"(4, 3), }        ", b"(400000000, 3), }"))
    (tmp_path / "d.npy").write_bytes(content.replace(b"}", b" "))
    assert "cannot be read" in refusal(lambda: read_array(tmp_path / "d.npy"))
    assert "takes 4800000000 bytes, but 48 are there" in refusal(lambda: read_array(tmp_path / "c.npy"))
    with (
        pytest.raises(ValueError, match="3 numbers are missing"),
        array_written(tmp_path / "d", "u1", (2, 3)) as writer,
    ):
        writer.add(np.zeros(3))
    assert not (tmp_path / "d").exists()


def test_an_npz_of_zeros_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (192 << 20,)})
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as member,
    ):
        member.write(stream.getvalue())
        for _ in range(192):
            member.write(bytes(1 << 20))
    assert "stands for 0.2013 GB" in refusal(lambda: read_arrays(tmp_path / "a.npz"))


@pytest.mark.parametrize("kind", ["huge", "external", "virtual", "link", "soft", "float"])
def test_hdf5_takes_nothing_from_elsewhere_and_nothing_that_is_not_stored(kind: str, tmp_path: Path) -> None:
    path, other = tmp_path / "train_data.hdf5", tmp_path / "other.hdf5"
    (tmp_path / "raw").write_bytes(bytes(4 * 8 * 8 * 3))
    with h5py.File(other, "w") as stored:
        stored["secret"] = np.zeros((4, 8, 8, 3), np.uint8)
    with h5py.File(path, "w") as stored:
        group = stored.create_group("datasets")
        if kind == "huge":
            group.create_dataset("a", (2**30, 84, 84, 3), np.uint8, chunks=(1, 84, 84, 3), compression="gzip")
        elif kind == "external":
            group.create_dataset("a", (4, 8, 8, 3), np.uint8, external=[(str(tmp_path / "raw"), 0, 768)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4, 8, 8, 3), np.uint8)
            layout[:] = h5py.VirtualSource(str(other), "secret", (4, 8, 8, 3))
            group.create_virtual_dataset("a", layout)
        elif kind == "float":
            group["a"] = np.zeros((2, 8, 8, 3))
        else:
            group["a"] = h5py.ExternalLink(str(other), "secret") if kind == "link" else h5py.SoftLink("/datasets/b")
    said = {"huge": "stands for", "external": "from another file", "virtual": "from another file", "float": "float64"}
    assert said.get(kind, "a link or a group") in refusal(lambda: read_torchmeta(tmp_path))


def test_a_zipped_memory_file_and_zipped_weights_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(1 << 20)}, buffer)
    for name in ("train.pth", "weights.pth"):
        with zipfile.ZipFile(buffer) as plain, zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for member in plain.namelist():
                packed.writestr(member, plain.read(member))
    assert "is compressed" in refusal(lambda: read_checkpoint(tmp_path / "weights.pth"))
    assert "does not hold a list of pictures" in refusal(lambda: read_libfewshot(tmp_path))
