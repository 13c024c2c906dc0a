"""JSON and YAML from outside into declared types: bounded before parsing, and wrong in one line that names the place.

A format is a `msgspec.Struct` with ranges (`msgspec.Meta`); what is read has its fields, or `InputError` says which
file, which place in it, what was found and what was expected. Repeated keys, NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import msgspec
import numpy as np

from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.reading import read_bytes, read_lines

T = TypeVar("T")
LARGEST = 2**53
"""The largest whole number that every JSON reader keeps."""
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Id = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Finite = Annotated[float, msgspec.Meta(ge=-1.7e308, le=1.7e308)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]

WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "null": "null",
    "array": "a list", "object": "an object",
}  # fmt: skip
SHOWN = 60
"""Characters of a value that a message shows."""
CHUNK = 1 << 24


def read_json(path: str | Path, kind: type[T] | Any, what: str = "file", *, nan: bool = False) -> T:
    """A JSON file as a declared type.

    Args:
        kind: a struct, or any type that msgspec knows (`dict[str, int]`, `list[Row]`, `Any`).
        what: begins a message.
        nan: let NaN and Infinity through, which JSON has no name for but Python writes.

    Raises InputError: it cannot be read, is no JSON, nests too deeply, or holds something else than `kind`.
    """
    return parse_json(read_bytes(path, what, "JSON_MB"), kind, f"{what} {path}", nan=nan)


def parse_json(content: bytes | str, kind: type[T] | Any, source: str, *, nan: bool = False) -> T:
    """JSON text as a declared type; `source` begins a message. Raises InputError: see `read_json`."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    check_size(f"{source}: the nesting of lists and objects", _depth(data), "DEPTH")
    text = _decoded(data, source)
    constant = float if nan else _no_number
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise InputError(f"{source}: no JSON at {line}column {error.colno}: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{source}: text with half a character (a lone surrogate); write it anew") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: {_one_line_of(error)}") from error
    return as_kind(value, kind, source)


def json_lines(path: str | Path, kind: type[T] | Any, what: str = "file", *, nan: bool = False) -> Iterator[T]:
    """The objects of a file with one per line; empty lines are passed over.

    Raises InputError: see `read_json`; the place is the line.
    """
    for number, line in read_lines(path, what):
        yield parse_json(line, kind, f"{what} {path}, line {number}", nan=nan)


def as_kind(value: Any, kind: type[T] | Any, source: str) -> T:
    """Plain data (of JSON, YAML, a header, a checkpoint) as a declared type.

    Raises InputError: it does not fit; the line names the place, what was found and what was expected.
    """
    try:
        return cast(T, msgspec.convert(value, kind))
    except msgspec.ValidationError as error:
        raise InputError(f"{source}: {_explain(str(error), value)}") from error
    except RecursionError as error:
        raise InputError(f"{source}: lists and objects lie too deeply within each other") from error


def shown(value: Any) -> str:
    """A value as a message shows it: short, on one line."""
    text = f"an object with {len(value)} keys" if isinstance(value, dict) else ""
    text = text or (f"a list of {len(value)}" if isinstance(value, list | tuple) and len(value) > 4 else "")
    if not text and isinstance(value, int) and abs(value) > LARGEST:
        text = "a whole number of more than 16 digits"
    text = text or repr(value if not isinstance(value, str) else value[: SHOWN + 1])
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _explain(message: str, value: Any) -> str:
    """msgspec's message in plain words, with the place and the value that was found there."""
    said, _, path = message.partition(" - at ")
    place = path.strip("`").removeprefix("$").removeprefix(".")
    said = re.sub(r"`([^`]*)`", lambda quoted: _in_words(quoted[1]), said)
    said = re.sub(r"^Object (missing|contains)", r"\1", said)
    said = said[:1].lower() + said[1:]
    found, known = _at(value, place)
    where = f"{place}: " if place else ""
    if known and said.startswith(("expected", "number")):
        return f"{where}{said.partition(', got ')[0]}, found {shown(found)}"
    return f"{where}{said}"


def _in_words(kinds: str) -> str:
    """What msgspec quotes: kinds of values, in plain words, or something else, such as a field's name."""
    parts = kinds.split(" | ")
    return " or ".join(WORDS[part] for part in parts) if WORDS.keys() >= set(parts) else f"'{' or '.join(parts)}'"


def _at(value: Any, place: str) -> tuple[Any, bool]:
    """The value at a place such as ``annotations[3].id``, and whether it can be told."""
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]", place):
        if index == "..." or not isinstance(value, list | tuple | dict):
            return None, False
        try:
            value = value[int(index)] if index else value[key]
        except (KeyError, IndexError, TypeError):
            return None, False
    return value, True


def _depth(data: bytes) -> int:
    """How deeply brackets lie within each other, those within strings left out."""
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    level = deepest = 0
    inside = False
    for start in range(0, len(plain), CHUNK):
        block = np.frombuffer(plain, np.uint8, min(CHUNK, len(plain) - start), start)
        marks = block[np.isin(block, np.frombuffer(b'"[]{}', np.uint8))]
        quotes = np.cumsum(marks == ord('"')) + inside
        steps = np.where(np.isin(marks, (ord("["), ord("{"))), 1, np.where(marks == ord('"'), 0, -1))
        levels = level + np.cumsum(np.where(quotes % 2 == 0, steps, 0))
        if len(marks):
            deepest, level, inside = max(deepest, int(levels.max())), int(levels[-1]), bool(quotes[-1] % 2)
    return deepest


def _decoded(data: bytes, source: str) -> str:
    """Lines may be long: annotations hold whole pictures as text."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = f", line {data.count(10, 0, error.start) + 1}" if b"\n" in data else ""
        raise InputError(f"{source}{line}: not UTF-8 text; save it as such") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} stands twice in one object; remove one")
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON; expected a finite one")


def _one_line_of(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "lists and objects lie too deeply within each other"
    text = str(error)
    return "a number of thousands of digits" if "integer string conversion" in text else text
