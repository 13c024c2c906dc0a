"""Arrays in numpy's own files: checked by their headers before memory is taken for them, and written row by row."""

from __future__ import annotations

import contextlib
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.reading import regular_file
from sccan.files.sizes import check_zip
from sccan.files.writing import written_beside

UNREADABLE = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error),
    *(SyntaxError, tokenize.TokenError),  # a header is written like a literal of Python
)
"""What numpy and zipfile raise for files that are cut short, altered, or hold objects."""


def read_array(path: Path, *, mapped: bool = False, dtype: str = "", ndim: int = 0) -> np.ndarray:
    """The array of an ``.npy`` file.

    Args:
        mapped: into memory, and not read.
        dtype: what its elements have to be; empty: anything but objects.
        ndim: how many dimensions it has to have; 0: any number.

    Raises InputError: it is missing or something else, or its header says more than the file holds.
    """
    size = regular_file(path, "array")
    try:
        with path.open("rb") as file:
            shape, kind = _header(file)
            stored = size - file.tell()
        needed = math.prod(shape) * kind.itemsize
        if needed != stored or kind.hasobject:
            raise ValueError(f"{kind} {list(shape)} takes {needed} bytes, but {stored} are there")
        found = f"{kind} {list(shape)}"
        if (dtype and kind != np.dtype(dtype)) or (ndim and len(shape) != ndim):
            raise ValueError(f"it holds {found}, expected {dtype or 'numbers'} in {ndim or 'some'} dimensions")
        if mapped and needed:  # nothing cannot be mapped
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read ({_reason(error)})") from error


def read_arrays(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file: the named ones that are there, or all.

    Raises InputError: it is missing or damaged, or stands for far more than its size.
    """
    regular_file(path, "arrays")
    try:
        check_zip(path, "arrays", "ARRAY_GB")
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    shape, kind = _header(stream)
                if math.prod(shape) * kind.itemsize > member.file_size or kind.hasobject:
                    raise ValueError(f"{member.filename} is announced as {kind} {list(shape)}, but is smaller")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if not names or name in names}
    except InputError:
        raise
    except (*UNREADABLE, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be read as npz ({_reason(error)}); fetch it again") from error


class ArrayWriter:
    """Writes the rows of an array to a file one after another; a full disk is an error, where a map would crash."""

    def __init__(self, stream: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
        """
        Args:
            shape: of the whole array; rows go along its first dimension.
        """
        self._stream, self._dtype, self._left = stream, np.dtype(dtype), math.prod(shape)
        described = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, described)

    def add(self, rows: np.ndarray) -> None:
        """The next rows."""
        self._left -= rows.size
        self._stream.write(np.ascontiguousarray(rows, self._dtype).tobytes())

    def finish(self) -> None:
        """Raises ValueError: there were fewer rows than announced, or more."""
        if self._left:
            raise ValueError(f"{self._left} numbers are missing from an array")


@contextlib.contextmanager
def array_written(path: Path, dtype: str, shape: tuple[int, ...]) -> Iterator[ArrayWriter]:
    """An ``.npy`` file that appears whole or not at all, written row by row.

    Raises InputError: it cannot be written.
    """
    with written_beside(path) as beside:
        with beside.open("wb") as stream:
            writer = ArrayWriter(stream, dtype, shape)
            yield writer
        writer.finish()


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    if any(side < 0 for side in shape):
        raise ValueError(f"a shape of {list(shape)}")
    check_size("an array", math.prod(shape) * kind.itemsize, "ARRAY_GB")
    return shape, kind


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
