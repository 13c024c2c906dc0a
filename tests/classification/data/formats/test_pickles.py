"""The restricted reader: data of every pickle protocol and of Python 2, and nothing else."""

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sccan.classification.data.formats.pickles import read_pickle, text_keys
from sccan.errors import InputError

CONTENT: dict[str, Any] = {
    "data": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "labels": [1, 2, np.int64(3)],
    "nested": [np.asfortranarray(np.arange(6.0).reshape(2, 3)), {"deep": [np.ones((2, 3), np.float32)]}],
    "tuple": (np.arange(3), [np.zeros(2, np.int32)], "text"),
    "empty": np.zeros((0, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "strided": np.arange(8)[::2],
    "bool": np.array([True, False]),
    "bytes": b"\xff\x00",
    "no bytes": b"",
    "bytearray": bytearray(b"ab"),
    "ordered": collections.OrderedDict(a=1),
    "set": {1, 2},
    "number": 1.5,
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_of_every_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "data.pickle"
    path.write_bytes(pickle.dumps(CONTENT, protocol))
    found = text_keys(read_pickle(path))
    found["bytearray"] = bytearray(found["bytearray"])  # bytes: a copy of its own for every mention costs memory
    np.testing.assert_equal(found, CONTENT)
    assert found["big endian"].dtype == ">i4"
    assert type(found["labels"][2]) is int


def test_a_pickle_of_python_2_is_read_and_its_text_keys_are_bytes(tmp_path: Path) -> None:
    # {'labels': [7], 'data': array([[1, 2]], dtype=uint8)} as Python 2 and its numpy write them, protocol 2
    stream = (
        b"\x80\x02}(U\x06labels]K\x07aU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x02\x01\x02tbu."
    )
    path = tmp_path / "python2.pickle"
    path.write_bytes(stream)
    raw = read_pickle(path)
    assert set(raw) == {b"labels", b"data"}
    found = text_keys(raw)
    assert found["labels"] == [7]
    assert found["data"].dtype == np.uint8
    assert found["data"].tolist() == [[1, 2]]


class _Runs:
    """Unpickled as published readers would, this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_is_refused_by_name_and_not_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "bad.pickle", tmp_path / "proof"
    path.write_bytes(pickle.dumps({"data": np.zeros(3), "labels": [_Runs(proof)]}))
    with pytest.raises(InputError, match=r"bad\.pickle is no file of data alone: it asks for posix\.mkdir"):
        read_pickle(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (collections.deque([1]), r"asks for collections\.deque"),
        (np.array([None], dtype=object), "an array of type 'O8'"),
        (np.zeros(2, dtype=[("a", "i4")]), "an array of type 'V4'"),
        (np.dtype("u1"), "a numpy type instead of data"),
        (Path("x"), r"asks for pathlib"),
    ],
)
def test_anything_but_arrays_of_numbers_and_plain_containers_is_refused(tmp_path: Path, value: Any, line: str) -> None:
    path = tmp_path / "other.pickle"
    path.write_bytes(pickle.dumps({"data": value}))
    with pytest.raises(InputError, match=line):
        read_pickle(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", pickle.dumps(CONTENT)[:-40]])
def test_what_is_no_whole_pickle_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "torn.pickle"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a pickle") as found:
        read_pickle(path)
    assert "\n" not in str(found.value)


def test_an_array_with_too_few_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.pickle"
    whole = pickle.dumps(np.arange(4, dtype=np.uint8), 2)
    path.write_bytes(whole.replace(b"K\x04\x85", b"K\x09\x85"))
    with pytest.raises(InputError, match=r"an array of shape \(9,\) with 4 bytes"):
        read_pickle(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_pickle(tmp_path / "none.pickle")
