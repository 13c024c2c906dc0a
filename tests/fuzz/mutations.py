"""Small valid files made wrong in seeded ways: bytes, values of JSON, lines and cells of text, and what is no file."""

from __future__ import annotations

import copy
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.structures import deeper, encoded, placed, places_of, subtle

EVIL: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 1e308, float("nan"), float("inf"), 10**9, 10**19, -(10**30), "", "x", "1", "nan", "1e999",
    "x" * 5000, "\x1b[31mred\x1b[0m", "a\nerror: forged", "../../../etc/passwd", "/etc/passwd", "a\0b", "\ud800",
    "\u202e", [], {}, [[]], [None], {"a": None}, [[[[[[[[[1]]]]]]]]], "~", "é" * 200,
)  # fmt: skip
"""Values that no format expects."""
WORDS = (
    *(
        "nan",
        "inf",
        "-1",
        "0",
        "1e999",
        "9" * 30,
        "9" * 5000,
        "",
        "null",
        "~",
        "!!int x",
        "&a [*a]",
        "*a",
        "{",
        "[" * 300,
    ),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "\x1b[2J",
        "\x00",
        "\u202e",
        "=cmd|x",
        "'",
        '"',
        "#",
        ",",
        "\t",
        "\\",
        "true",
        "1:2",
    ),
)
Mutation = Callable[[Path, random.Random], None]


def flip(path: Path, draw: random.Random) -> None:
    """Some bytes become others."""
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 3, 20))):
        if data:
            data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(data)


def cut(path: Path, draw: random.Random) -> None:
    """The end, the beginning or the middle is missing."""
    data = path.read_bytes()
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    path.write_bytes(draw.choice((data[:a], data[a:], data[:a] + data[b:], b"")))


def grow(path: Path, draw: random.Random) -> None:
    """Something stands twice, or between."""
    data = path.read_bytes()
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    noise = draw.choice((data[a:b], bytes(draw.randrange(256) for _ in range(50)), b"\0" * 4000, b"[" * 5000))
    path.write_bytes(data[:a] + noise + data[a:])


def numbers(path: Path, draw: random.Random) -> None:
    """Four or eight bytes become a length, a size or a place that is absurd."""
    data = bytearray(path.read_bytes())
    form = draw.choice(("<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    if len(data) > size:
        at = draw.randrange(min(len(data) - size, 400) if draw.random() < 0.7 else len(data) - size)
        value = draw.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**20, 65535, 10**9)) % 2 ** (8 * size)
        data[at : at + size] = struct.pack(form, value)
    path.write_bytes(data)


def replaced(path: Path, draw: random.Random) -> None:
    """Something else is there: another kind of file, a folder, a pipe, a device, a link to itself."""
    kinds = ("png", "text", "json", "html", "folder", "pipe", "zero", "loop", "utf16", "random")
    kind = draw.choice(kinds)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in ("zero", "loop"):
        path.symlink_to("/dev/zero" if kind == "zero" else path)
    else:
        content = {
            "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 60000, 60000) + b"\x08\2\0\0\0" + b"\0" * 40,
            "text": b"hello world\n" * 10, "json": b'{"a": 1}', "html": b"<html><body>404</body></html>",
            "utf16": "text".encode("utf-16"), "random": draw.randbytes(3000),
        }[kind]  # fmt: skip
        path.write_bytes(content)


def pictured(path: Path, draw: random.Random) -> None:
    """A sound picture is there, of another form, kind of colours, size or way up."""
    shape = draw.choice(((1, 1), (1, 300), (40, 48), (48, 40), (30, 40), (700, 900)))
    pixels = np.frombuffer(draw.randbytes(shape[0] * shape[1] * 4), np.uint8).reshape(*shape, 4)
    mode = draw.choice(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"))
    if mode in ("I;16", "I", "F"):
        picture = Image.fromarray(pixels[..., 0].astype({"I;16": "uint16", "I": "int32", "F": "float32"}[mode]) * 3)
    else:
        picture = Image.fromarray(pixels).convert("RGB").convert(mode)
    exif = Image.Exif()
    exif[0x0112] = draw.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 300))
    forms = ["PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF"]
    draw.shuffle(forms)
    for form in forms:
        try:
            picture.save(path, form, **({} if form in ("BMP", "GIF") else {"exif": exif}))
            return
        except (OSError, ValueError, KeyError):  # not every form has every kind of colours
            path.unlink(missing_ok=True)


def lines(path: Path, draw: random.Random) -> None:
    """A line is missing, stands twice, is swapped, or a word of it is something else."""
    rows = path.read_text("utf-8", "replace").split("\n")
    at = draw.randrange(len(rows))
    kind = draw.randrange(5)
    if kind == 0:
        del rows[at]
    elif kind == 1:
        rows.insert(at, rows[draw.randrange(len(rows))])
    elif kind == 2:
        other = draw.randrange(len(rows))
        rows[at], rows[other] = rows[other], rows[at]
    else:
        separators = [one for one in (":", ",", " ", "\t", '"', ">") if one in rows[at]] or [" "]
        mark = draw.choice(separators)
        cells = rows[at].split(mark)
        cells[draw.randrange(len(cells))] = draw.choice(WORDS)
        rows[at] = mark.join(cells)
    path.write_bytes("\n".join(rows).encode("utf-8", "surrogatepass"))


def values(path: Path, draw: random.Random) -> None:
    """A value of a JSON file, or of a line of JSON lines, is missing, stands twice or is evil."""
    text = path.read_text()
    rows = [text] if _is_one(text) else text.splitlines()
    at = draw.randrange(len(rows))
    tree = json.loads(rows[at])
    for _ in range(draw.choice((1, 1, 2))):
        tree = _changed(tree, draw)
    rows[at] = json.dumps(tree)
    if draw.random() < 0.05:
        rows[at] = "[" * 50_000 + rows[at]
    if draw.random() < 0.05 and rows[at].startswith("{"):
        rows[at] = rows[at].replace("{", '{"format": 1, "format": 2, ', 1)
    path.write_text("\n".join(rows) + "\n")


def _is_one(text: str) -> bool:
    """Whether a text is one JSON value, and not one on each line."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _changed(tree: Any, draw: random.Random) -> Any:
    tree = copy.deepcopy(tree)
    places = places_of(tree, most=200)
    if not places or draw.random() < 0.03:
        return copy.deepcopy(draw.choice(EVIL))
    node, key = draw.choice(places)
    kind = draw.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.append(copy.deepcopy(node[key]))
    elif kind == 2 and isinstance(node, dict):
        node[str(draw.choice(EVIL))[:40]] = node.pop(key)
    else:
        node[key] = copy.deepcopy(draw.choice(EVIL))
    return tree


BYTES: tuple[Mutation, ...] = (flip, cut, grow, numbers, replaced, deeper, deeper, deeper, placed)
TEXT: tuple[Mutation, ...] = (lines, lines, lines, flip, cut, grow, replaced, deeper, encoded, encoded, placed)
JSON: tuple[Mutation, ...] = (*([values] * 4), *([subtle] * 4), flip, cut, grow, replaced, encoded, placed)
PICTURE: tuple[Mutation, ...] = (pictured, pictured, pictured)
