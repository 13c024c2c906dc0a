"""Training state and weights: plain, whole, readable anywhere."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from sccan.backbones.weights import load_weights
from sccan.engine.checkpoint import own_header, read_header, read_state, write_state, write_weights
from sccan.errors import InputError
from tests.engine.toy import ToyMethod


def test_a_state_comes_back_and_is_plain(tmp_path: Path) -> None:
    state = {"a": [1, 2.5, None, "x", True], "b": {3: (torch.arange(6).view(2, 3),)}, "model": ToyMethod().state_dict()}
    write_state(tmp_path / "last.pt", state)
    plain = torch.load(tmp_path / "last.pt", weights_only=True)
    assert type(plain["model"]) is dict
    found = read_state(tmp_path / "last.pt")
    assert found["a"] == state["a"]
    assert torch.equal(found["b"][3][0], torch.arange(6).view(2, 3))


def test_a_slice_does_not_store_the_whole(tmp_path: Path) -> None:
    write_state(tmp_path / "last.pt", {"slice": torch.zeros(1_000_000)[:3]})
    assert (tmp_path / "last.pt").stat().st_size < 10_000


def test_a_state_of_objects_is_our_error_and_leaves_the_old_one(tmp_path: Path) -> None:
    write_state(tmp_path / "last.pt", {"step": 1})
    with pytest.raises(ValueError, match=r"state\.a\[1\] is a PosixPath"):
        write_state(tmp_path / "last.pt", {"a": [1, tmp_path]})
    assert read_state(tmp_path / "last.pt")["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_state_cut_short_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with pytest.raises(InputError, match="training state"):
        read_state(path)
    write_state(path, {"weights": torch.randn(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="training state"):
        read_state(path)
    torch.save(torch.zeros(1), path)
    with pytest.raises(InputError, match="no training state of format 1"):
        read_state(path)


def test_weights_come_back_strictly_with_their_header(tmp_path: Path) -> None:
    path, model = tmp_path / "best.safetensors", ToyMethod(seed=1)
    header = {"method": "toy", "score": 0.5, "classes": [1, 2], "none": None}
    write_weights(path, model.state_dict(), header)
    assert read_header(path) == header
    other = ToyMethod(seed=2)
    load_weights(other, path, excused=())
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    with pytest.raises(InputError, match="surplus"):
        load_weights(ToyMethod(plain=True), path, excused=())


def test_weights_that_share_memory_are_stored_each(tmp_path: Path) -> None:
    shared = torch.arange(6.0).view(2, 3)
    write_weights(tmp_path / "w.safetensors", {"a": shared, "b": shared, "c": shared.T}, {})
    found = safetensors.torch.load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["a"], shared)
    assert torch.equal(found["b"], shared)
    assert torch.equal(found["c"], shared.T)


def test_the_header_of_others_is_empty_and_other_files_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "theirs.safetensors")
    assert read_header(tmp_path / "theirs.safetensors") == {}
    (tmp_path / "text").write_text("no weights at all")
    for name in ("text", "absent"):
        with pytest.raises(InputError, match="cannot be read as safetensors"):
            read_header(tmp_path / name)


def test_the_content_of_a_file_decides_whether_it_has_a_header(tmp_path: Path) -> None:
    write_weights(tmp_path / "renamed.pth", {"a": torch.zeros(2, 3)}, {"method": "toy"})
    torch.save({"a": torch.zeros(2, 3)}, tmp_path / "pickled.safetensors")
    assert own_header(tmp_path / "renamed.pth") == {"method": "toy"}
    assert own_header(tmp_path / "pickled.safetensors") == {}


@pytest.mark.parametrize(("text", "line"), [("{", "no JSON"), ("[1]", r"expected an object, found \[1\]")])
def test_a_broken_header_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "best.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, metadata={"sccan": text})
    with pytest.raises(InputError, match=f"the header of .* {line}.*; fetch the file again"):
        own_header(path)
