"""Reading pickles that hold data only: numbers, text, plain containers, numpy arrays of numbers, Pillow's pictures.

A pickle is a program. This reader runs none of what it may name: the few names that arrays and pictures need stand for
functions of ours, which only collect shape, type and bytes, and every other name is refused and reported.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sccan.errors import InputError

NUMBERS = re.compile(r"[<>|=]?(b1|[iuf][1248]|[SU]\d+)")
"""Types of array elements that are plain bytes; no objects, no records."""


def read_pickle(path: Path) -> Any:
    """The content of a pickle written by Python 2 or 3; text of Python 2 comes as bytes.

    Raises InputError: the file is missing, is no pickle, is cut short, or asks for anything but data (the line names
        what it asks for).
    """
    try:
        with path.open("rb") as file:
            return _arrays(_DataUnpickler(file, path).load(), path)
    except FileNotFoundError as error:
        raise InputError(f"pickle {path} does not exist; check the data root") from error
    except InputError:
        raise
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{path} cannot be read as a pickle ({reason}); it may be cut short, fetch it again"
        ) from error
    except (MemoryError, OverflowError) as error:
        raise InputError(f"{path} announces more data than fits into memory; it is damaged, fetch it again") from error


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


def _encode(text: Any, coding: Any = "latin1") -> bytes:
    if as_text(coding) not in ("latin1", "latin-1") or not isinstance(text, str):
        raise pickle.UnpicklingError(f"bytes in the coding {coding!r}; latin1 is expected")
    return text.encode("latin1")


def _bytes(data: Any = b"", coding: Any = "latin1") -> bytes:
    return data if isinstance(data, bytes) else _encode(data, coding)


def _bytearray(data: Any = b"", coding: Any = "latin1") -> bytearray:
    return bytearray(_bytes(data, coding))


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
    **{(module, "bytearray"): _bytearray for module in ("builtins", "__builtin__")},
    **{(module, "set"): set for module in ("builtins", "__builtin__")},
}
"""Names a pickle may ask for, and what it gets instead."""


class _DataUnpickler(pickle.Unpickler):
    """Gives out what `ADMITTED` lists, and refuses everything else by name."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="bytes")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise InputError(
                f"{self._path} is no file of data alone: it asks for {module}.{name}, which is never run; "
                "only numpy arrays and plain containers are read"
            )
        return ADMITTED[module, name]


def _arrays(value: Any, path: Path) -> Any:
    """The content with every collected array in its place; containers are gone through once, in place."""
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("an array without content")
        return value.value
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        if isinstance(container, dict):
            places = list(container.items())
        elif isinstance(container, list):
            places = list(enumerate(container))
        else:
            continue
        for place, item in places:
            if isinstance(item, _Array | tuple):
                container[place] = _plain(item)
            elif isinstance(item, dict | list):
                waiting.append(item)
            elif isinstance(item, _DataType):
                raise InputError(
                    f"{path} holds a numpy type instead of data; only arrays and plain containers are read"
                )
    return _plain(value) if isinstance(value, tuple) else value


def _plain(item: Any) -> Any:
    """An array, or a tuple (which cannot be changed in place) with its arrays."""
    if isinstance(item, _Array):
        if item.value is None:
            raise pickle.UnpicklingError("an array without content")
        return item.value
    if isinstance(item, tuple):
        return tuple(_plain(part) for part in item)
    if isinstance(item, list):
        return [_plain(part) for part in item]
    if isinstance(item, dict):
        return {key: _plain(part) for key, part in item.items()}
    return item
