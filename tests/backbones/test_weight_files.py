"""Files of weights: read whatever their name, refused in one line, and nothing in them is ever run."""

import argparse
import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sccan.backbones.weight_files import read_checkpoint, read_state
from sccan.errors import InputError

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


class Danger:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]}},
        {"epoch": 3.5, "state_dict": {f"module.{name}": value for name, value in STATE.items()}},
    ],
    ids=["bare", "checkpoint", "parallel"],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_state_dicts_are_found(tmp_path: Path, content: dict[str, object], legacy: bool) -> None:
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=not legacy)
    state = read_state(tmp_path / "file.pth")
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    torch.save({"state_dict": STATE, "extra": Danger(target)}, tmp_path / "file.pth")
    with pytest.raises(InputError, match=r"Python object .*open.* could run any program"):
        read_state(tmp_path / "file.pth")
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", "is empty"),
        ("a.pth", b"\n<!DOCTYPE html><html>Sign in</html>", "is a web page, not weights"),
        ("a.safetensors", b"<html>Sign in</html>", "is a web page, not weights"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a pointer of Git LFS"),
        ("a.pth", b"PK\x03\x04 and no end", "is cut short"),
        ("a.pth", b"\x89PNG\r\n", "is a PNG picture"),
        ("a.pth", b"hello", "is no file written by torch.save"),
        ("a.t7", b"\x03\x00\x00\x00\x01", "is a file of Lua Torch"),
        ("a.pth", b'{"error": "quota"}', "is JSON text"),
        ("a.pth.tar", bytes(257) + b"ustar", "is a tar archive"),
        ("a.pth", b"\x1f\x8b\x08", "is compressed with gzip"),
        ("a.pth", b"\x80\x02", "cannot be read as weights"),
        ("a.pth", pickle.dumps({"weight": [1.0]}, protocol=2), "cannot be read as weights|never run"),
        ("a.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{", "cannot be read as weights"),
    ],
)
def test_files_that_are_no_weights_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_files_cut_short_archives_and_missing_files_are_named(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(5000)}, tmp_path / "whole.pth")
    (tmp_path / "half.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:9000])
    with pytest.raises(InputError, match="is cut short"):
        read_state(tmp_path / "half.pth")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("weights/readme.txt", "hello")
    with pytest.raises(InputError, match=r"archive of something else \(weights/readme.txt\); unpack it"):
        read_state(tmp_path / "zip.pth")
    with pytest.raises(InputError, match="do not exist"):
        read_state(tmp_path / "none.pth")


def test_a_zip_that_is_one_of_several_disks_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(5)}, tmp_path / "file.pth")
    data = bytearray((tmp_path / "file.pth").read_bytes())
    place = data.rindex(b"PK\x06\x07")  # where the end of large archives is, and on how many disks
    data[place + 16 : place + 20] = (7).to_bytes(4, "little")
    (tmp_path / "file.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"file\.pth is a damaged zip archive; fetch it again"):
        read_state(tmp_path / "file.pth")


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3}, {"state_dict": {"epoch": 3}}, {}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        read_state(tmp_path / "file.pth")


def test_numbers_beside_the_weights_are_kept(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "epoch": 42.5, "acc": np.float64(0.6), "arch": "x"}, tmp_path / "file.pth.tar")
    state, beside = read_checkpoint(tmp_path / "file.pth.tar")
    assert list(state) == list(STATE)
    assert beside == {"epoch": 42.5, "acc": 0.6}


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "file.pth")
    torch.save(STATE, tmp_path / "file.safetensors")
    for name in ("file.pth", "file.safetensors"):
        assert torch.equal(read_state(tmp_path / name)["weight"], STATE["weight"])


def test_a_pickle_that_needs_more_is_refused_with_the_reason(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=0.1)}, tmp_path / "file.pth")
    with pytest.raises(InputError, match=r"argparse\.Namespace.*save the weights alone, with torch\.save"):
        read_state(tmp_path / "file.pth")


def test_programs_and_states_to_resume_from_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pth", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"script/{name}", b"")
    with pytest.raises(InputError, match="is a program of TorchScript"):
        read_state(tmp_path / "script.pth")
    torch.save({"format": 1, "standing": {}, "updater": {}}, tmp_path / "last.pt")
    with pytest.raises(InputError, match=r"resumed from.*best\.safetensors"):
        read_state(tmp_path / "last.pt")


def _bytes(kind: str) -> bytes:
    """A small published-like file of one of three formats."""
    if kind == "safetensors":
        return safetensors.torch.save(STATE)
    buffer = io.BytesIO()
    torch.save({"state_dict": STATE, "epoch": 3}, buffer, _use_new_zipfile_serialization=kind == "zip")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(_bytes(kind))
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(changes, max_size=4)):
        content[place] = value
    (tmp_path / "file").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(InputError):  # and nothing else
        assert all(isinstance(value, torch.Tensor) for value in read_state(tmp_path / "file").values())
