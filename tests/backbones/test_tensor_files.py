"""safetensors files: what a header announces is compared with the file before the file is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from sccan.backbones.tensor_files import open_tensors, tensor_bytes

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(0), "c": torch.ones(3, dtype=torch.int64)}
WHOLE = tensor_bytes(TENSORS, {"format": "pt"})


def test_a_whole_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for content, tensors in ((WHOLE, TENSORS), (tensor_bytes({}, {"format": "pt"}), {})):
        path.write_bytes(content)
        with open_tensors(path) as stored:
            assert stored.metadata() == {"format": "pt"}
            assert set(stored.keys()) == set(tensors)
            assert all(torch.equal(stored.get_tensor(name), value) for name, value in tensors.items())


def test_a_file_of_another_length_than_it_announces_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(WHOLE)
    for length in (len(WHOLE) - 1, len(WHOLE) + 1, 1 << 42):  # the last one is longer than any memory
        os.truncate(path, length)
        with pytest.raises(SafetensorError, match=rf"^it announces {len(WHOLE)} bytes, but has {length}$"):
            open_tensors(path)


def _with(change: Callable[[dict[str, object]], object]) -> bytes:
    size = int.from_bytes(WHOLE[:8], "little")
    text = json.dumps(change(json.loads(WHOLE[8 : 8 + size]))).encode()
    return len(text).to_bytes(8, "little") + text + WHOLE[8 + size :]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "its header: no JSON"),
        (b"\xff" * 8 + b"{", "its header: no JSON"),
        (_with(lambda header: [header]), "its header: expected an object"),
        (_with(lambda header: {**header, "a": 7}), r"its header: \[...\]: expected an object"),
        (_with(lambda header: {**header, "a": {}}), "missing required field 'data_offsets'"),
        (_with(lambda header: {**header, "a": {"data_offsets": [0, -1]}}), "expected a whole number >= 0"),
        (_with(lambda header: {**header, "a": {"data_offsets": [0, 2**70]}}), "its header: .*whole number"),
    ],
)
def test_a_header_that_is_none_is_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(SafetensorError, match=line) as caught:
        open_tensors(path)
    assert "\n" not in str(caught.value)
