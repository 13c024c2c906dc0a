"""Reading pickles that hold data only: numbers, text, plain containers, numpy arrays of numbers, Pillow's pictures.

A pickle is a program. This reader runs none of what it may name: the few names that arrays and pictures need stand for
functions of ours, which only collect shape, type and bytes, and every other name is refused and reported.
"""

from __future__ import annotations

import functools
import math
import pickle
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.reading import regular_file, unreadable

LONGEST_LINE = 1 << 20
"""Bytes of a line in a stream of protocol 0."""
NUMBERS = re.compile(r"[<>|=]?(b1|[iuf][1248]|[SU]\d+)")
"""Types of array elements that are plain bytes; no objects, no records."""


FAULTS = (
    *(pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    struct.error,
    RecursionError,
)
"""What unpickling raises where a stream is cut off or altered."""


def read_pickle(path: Path) -> Any:
    """The content of a pickle written by Python 2 or 3; text of Python 2 comes as bytes.

    Raises InputError: the file is missing, is no pickle, is cut short, asks for anything but data (the line names what
        it asks for), or announces more than it holds.
    """
    size = regular_file(path, "pickle")
    check_size(f"pickle {path}", size, "PICKLE_GB")
    try:
        with path.open("rb") as file:
            return _Plain().of(_DataUnpickler(_Bounded(file, size), path).load())
    except InputError:
        raise
    except OSError as error:
        raise unreadable(path, "pickle", error) from error
    except FAULTS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path} cannot be read as a pickle ({reason}); it may be cut short, fetch it again"
        ) from error
    except (MemoryError, OverflowError) as error:
        raise InputError(f"{path} announces more data than fits into memory; it is damaged, fetch it again") from error


class _Bounded:
    """A file that gives no more than it has: a length that a damaged stream announces takes no memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise EOFError(f"{count} bytes are announced, but {self._left} are left")
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline(LONGEST_LINE)
        self._left -= len(line)
        if len(line) == LONGEST_LINE:
            raise EOFError("a line without an end")
        return line


def text_keys(content: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping with keys of text, whatever Python wrote them."""
    return {as_text(key): value for key, value in content.items()}


def as_text(value: Any) -> str:
    """Text of either Python."""
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


class _DataType:
    """What a pickle says of an array's element type."""

    def __init__(self, code: str) -> None:
        if not NUMBERS.fullmatch(code):
            raise pickle.UnpicklingError(f"an array of type {code!r}; arrays of numbers are expected")
        self.type = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = as_text(state[1])
        if order not in "<>|=" or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of records; arrays of numbers are expected")
        if order in "<>":
            self.type = np.dtype(order + self.type.str[1:])


class _Array:
    """What a pickle says of an array: shape, type and bytes."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = _from_bytes(data, kind, shape, "F" if fortran else "C")


class _Picture(_Array):
    """What a pickle says of a picture of Pillow: facts, mode, size, palette and bytes."""

    def __setstate__(self, state: Any) -> None:
        mode, (width, height), data = as_text(state[1]), state[2], state[4]
        if mode != "RGB":
            raise pickle.UnpicklingError(f"a picture of mode {mode!r}; RGB is expected")
        self.value = _from_bytes(data, _DataType("u1"), (height, width, 3), "C")


def _from_bytes(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # bytes of Python 2, or those a Python 3 pickle spells as text
        data = data.encode("latin1")
    if not isinstance(kind, _DataType) or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("an array without a type or without bytes; it is damaged or holds objects")
    sides = tuple(int(side) for side in (shape if isinstance(shape, tuple) else (shape,)))
    if len(sides) > 32 or max(sides, default=0) > 1 << 48:
        raise pickle.UnpicklingError("an array of a shape that none has; it is damaged")
    if min(sides, default=0) < 0 or math.prod(sides) * kind.type.itemsize != len(data):
        raise pickle.UnpicklingError(f"an array of shape {sides} with {len(data)} bytes; it is damaged")
    return np.frombuffer(data, kind.type).reshape(sides, order="F" if as_text(order) == "F" else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _buffer(data: Any, kind: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.value = _from_bytes(data, kind, shape, order)
    return array


def _scalar(kind: Any, data: Any = b"") -> Any:
    return _from_bytes(data, kind, (1,), "C")[0].item()


def _data_type(code: Any, *_: Any) -> _DataType:
    return _DataType(as_text(code))


@functools.lru_cache(maxsize=1)
def _encode(text: Any, coding: Any = "latin1") -> bytes:
    """Bytes that protocols 0 to 2 spell as text; text that is named again gives the same bytes, not another copy."""
    if as_text(coding) not in ("latin1", "latin-1") or not isinstance(text, str):
        raise pickle.UnpicklingError(f"bytes in the coding {coding!r}; latin1 is expected")
    return text.encode("latin1")


def _bytes(data: Any = b"", coding: Any = "latin1") -> bytes:
    """Also for what was a bytearray, which would be copied wherever it is named."""
    return data if isinstance(data, bytes) else _encode(data, coding)


def _numpy(module: str, name: str) -> list[tuple[str, str]]:
    """A name of numpy's core under its module before and after version 2."""
    return [(f"numpy.core.{module}", name), (f"numpy._core.{module}", name)]


ADMITTED: Mapping[tuple[str, str], Callable[..., Any]] = {
    **dict.fromkeys(_numpy("multiarray", "_reconstruct"), _reconstruct),
    **dict.fromkeys(_numpy("multiarray", "scalar"), _scalar),
    **dict.fromkeys(_numpy("numeric", "_frombuffer"), _buffer),
    ("numpy", "dtype"): _data_type,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
    ("PIL.Image", "Image"): _Picture,
    **{(module, "bytes"): _bytes for module in ("builtins", "__builtin__")},
    **{(module, "bytearray"): _bytes for module in ("builtins", "__builtin__")},
    **{(module, "set"): set for module in ("builtins", "__builtin__")},
}
"""Names a pickle may ask for, and what it gets instead."""


_InPython: Any = pickle._Unpickler


class _DataUnpickler(_InPython):
    """Gives out what `ADMITTED` lists, and refuses everything else by name.

    It is the library's own reader in Python, which keeps what is named again in a dictionary: the one in C makes an
    array as long as the largest number that a stream names. Keys are plain, as those of nested tuples can take for ever
    to compare.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_InPython.dispatch)

    def __init__(self, file: _Bounded, path: Path) -> None:
        super().__init__(file, encoding="bytes")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise InputError(
                f"{self._path} is no file of data alone: it asks for {module}.{name}, which is never run; "
                "only numpy arrays and plain containers are read"
            )
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a reference to something outside the file")

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], _Array | _DataType):
            raise pickle.UnpicklingError(f"a state for a {type(self.stack[-2]).__name__}")
        super().load_build()

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        _check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        _check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        _check_keys(self.stack)
        super().load_frozenset()

    def load_reduce(self) -> None:
        if self.stack[-2] in (set, dict):
            for items in self.stack[-1]:
                _check_keys([item[0] for item in items] if self.stack[-2] is dict else items)
        super().load_reduce()

    dispatch |= {
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
        pickle.REDUCE[0]: load_reduce,
    }


def _check_keys(keys: Iterable[Any]) -> None:
    for key in keys:
        if not isinstance(key, str | bytes | int | float | None):
            raise pickle.UnpicklingError(f"a key that is a {type(key).__name__}; text and numbers are expected")


class _Plain:
    """Content with every collected array in its place; a container is gone through once, however often it is named."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}

    def of(self, item: Any) -> Any:
        """An array, a container with plain content, or the item itself."""
        if isinstance(item, _Array):
            if item.value is None:
                raise pickle.UnpicklingError("an array without content")
            return item.value
        if isinstance(item, _DataType):
            raise pickle.UnpicklingError("a numpy type instead of data")
        if not isinstance(item, dict | list | tuple):
            return item
        if id(item) not in self._done:
            self._done[id(item)] = (item, self._container(item))  # with the item: a number stays taken meanwhile
        return self._done[id(item)][1]

    def _container(self, item: Any) -> Any:
        if isinstance(item, tuple):
            return tuple(self.of(part) for part in item)
        self._done[id(item)] = (item, item)  # it may hold itself
        places = list(item.items()) if isinstance(item, dict) else list(enumerate(item))
        for place, part in places:
            if isinstance(part, _Array | _DataType | dict | list | tuple):
                item[place] = self.of(part)
        return item
