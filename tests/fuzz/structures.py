"""Mutations that keep the form of a file, so that what reads it goes deeper: checksums and lengths stay right."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

PNG, NPY = b"\x89PNG\r\n\x1a\n", b"\x93NUMPY"
NAMES = ("../out.txt", "/etc/passwd", "a/../../b", "", "x" * 300, "a\0b", "\x1b[31m", "con", "a//b", "./a", "\udcff")
SHAPES = ("()", "(0,)", "(-1,)", "(3,)", "(10**9, 10**9)", "(1, 1, 1, 1, 1)", "(2.5,)", "('a',)", "[2]", "None")
KINDS = ("|O", "<f8", "<c16", "|b1", ">i2", "<U5", "|V8", "<M8[s]", "<f2", "[('a', '<i4')]", "x")
TAG, ATTRIBUTE = re.compile(r"<(/?)([\w.]+)([^<>]*)>"), re.compile(r'([\w.:-]+)="([^"]*)"')
VALUES = ("", "nan", "-1", "1e9", "0", "x", "1,2;3", "9" * 40, "&amp;", "1;2", "true", " 1 ")


def deeper(path: Path, draw: random.Random) -> None:
    """A part of a file whose form is known is altered, and the form is kept; of others some bits."""
    data = path.read_bytes()
    forms: list[tuple[bool, Callable[[bytes, random.Random], bytes]]] = [
        (data.startswith(PNG), _png),
        (data.startswith(NPY), _npy),
        (data.startswith(b"\xff\xd8"), _jpeg),
        (data.startswith(b"\x1f\x8b"), _gzip),
        (data.startswith(b"\x89HDF"), _bits),
        (zipfile.is_zipfile(io.BytesIO(data)), _zip),
        (data[257:262] == b"ustar", _tar),
        (len(data) > 8 and data[8:9] == b"{", _safetensors),
        (data.lstrip()[:1] == b"<", _xml),
    ]
    path.write_bytes(next((alter for fits, alter in forms if fits), _bits)(data, draw))


def _bits(data: bytes, draw: random.Random) -> bytes:
    """Single bits, most of them where headers are."""
    altered = bytearray(data or b"\0")
    for _ in range(draw.choice((1, 2, 8))):
        at = draw.randrange(min(len(altered), 600) if draw.random() < 0.7 else len(altered))
        altered[at] ^= 1 << draw.randrange(8)
    return bytes(altered)


def _png(data: bytes, draw: random.Random) -> bytes:
    """A chunk is altered, missing, doubled, moved or empty; checksums are right again."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    place = draw.randrange(len(chunks))
    kind, content = chunks[place]
    match draw.randrange(7):
        case 0:
            del chunks[place]
        case 1:
            chunks.insert(draw.randrange(len(chunks) + 1), chunks[place])
        case 2:
            chunks[place] = kind, b""
        case 3:
            chunks[place] = draw.choice((b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"zTXt", b"gAMA")), content
        case 4:
            tail = zlib.compress(b"\0" * draw.choice((0, 10, 50_000_000)))
            chunks[place] = (b"IDAT", tail) if kind == b"IDAT" else (kind, _bits(content, draw))
        case _:
            chunks[place] = kind, _bits(content, draw)
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return PNG + b"".join(parts)


def _jpeg(data: bytes, draw: random.Random) -> bytes:
    """A segment before the pixels is altered, missing or doubled, or a marker stands in the pixels."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", data, at + 2)[0]
        segments.append(data[at : at + size])
        at += size
    rest = bytearray(data[at:])
    place = draw.randrange(len(segments))
    match draw.randrange(5):
        case 0:
            del segments[place]
        case 1:
            segments.insert(place, segments[draw.randrange(len(segments))])
        case 2:
            where = draw.randrange(len(rest) - 2)
            rest[where : where + 2] = bytes((0xFF, draw.choice((0xD0, 0xD9, 0xDA, 0xC4, 0x01))))
        case _:
            head, body = segments[place][:4], segments[place][4:]
            segments[place] = head + _bits(body, draw)[: len(body)]
    return data[:2] + b"".join(segments) + bytes(rest)


def _npy(data: bytes, draw: random.Random) -> bytes:
    """The header says another shape, kind or order, at its right length."""
    size = struct.unpack_from("<H", data, 8)[0]
    text, body = data[10 : 10 + size].decode("latin-1").rstrip(), data[10 + size :]
    match draw.randrange(4):
        case 0:
            text = re.sub(r"'shape': \([^)]*\)", lambda _: f"'shape': {draw.choice(SHAPES)}", text)
        case 1:
            text = re.sub(r"'descr': '[^']*'", lambda _: f"'descr': {draw.choice(KINDS)!r}", text)
        case 2:
            text = text.replace("False", draw.choice(("True", "1", "None")))
        case _:
            body = body[: draw.randrange(len(body) + 1)] + draw.randbytes(draw.randrange(9))
    raw = text.encode("latin-1") + b" " * (-(len(text) + 11) % 64) + b"\n"
    return data[:8] + struct.pack("<H", len(raw)) + raw + body


def _safetensors(data: bytes, draw: random.Random) -> bytes:
    """The header has another value somewhere, at its right length."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        return _bits(data, draw)
    text = json.dumps(subtler(header, draw)).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _dealt(members: list[Any], draw: random.Random) -> tuple[int, int]:
    """A kind of change, 0 to 5, and the member that it is made to; the first two, missing and doubled, are made."""
    place, kind = draw.randrange(len(members)), draw.randrange(6)
    if kind == 0:
        del members[place]
    elif kind == 1:
        members.append(members[place])
    return kind, min(place, max(len(members) - 1, 0))


def _name(draw: random.Random) -> str:
    """What an archive may call a member and should not."""
    return draw.choice(NAMES[:-1]).replace("\0", "_")


def _zip(data: bytes, draw: random.Random) -> bytes:
    """A member is altered as its own form allows, missing, doubled or called otherwise; sums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    kind, place = _dealt(members, draw)
    name, content = members[place] if members else ("", b"")
    match kind:
        case 0 | 1:
            pass
        case 2:
            members[place] = _name(draw), content
        case 3:
            members[place] = name, content[: draw.randrange(len(content) + 1)]
        case _:
            altered = _npy(content, draw) if content.startswith(NPY) else _bits(content, draw)
            members[place] = name, altered
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def _gzip(data: bytes, draw: random.Random) -> bytes:
    """What is packed is altered."""
    inner = gzip.decompress(data)
    return gzip.compress(_tar(inner, draw) if inner[257:262] == b"ustar" else _bits(inner, draw))


def _tar(data: bytes, draw: random.Random) -> bytes:
    """A member is altered, missing, doubled, a link, a device, or called otherwise."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(info, archive.extractfile(info).read()) for info in archive if info.isfile()]  # type: ignore[union-attr]
    kind, place = _dealt(members, draw)
    info, content = members[place] if members else (tarfile.TarInfo("x"), b"")
    match kind:
        case 0 | 1:
            pass
        case 2:
            info.name = _name(draw) or "x"
        case 3:
            info.type = draw.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
            )
            info.linkname = draw.choice(("/etc/passwd", "../../x", info.name))
        case _:
            members[place] = info, _bits(content, draw)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            info.size = len(content) if info.isfile() else 0
            archive.addfile(info, io.BytesIO(content) if info.isfile() else None)
    return stream.getvalue()


def _xml(data: bytes, draw: random.Random) -> bytes:
    """An element or attribute is missing, doubled, called otherwise or of another value; entities are declared."""
    text = data.decode("utf-8", "replace")
    tags = list(TAG.finditer(text))
    attributes = list(ATTRIBUTE.finditer(text))
    kind = draw.randrange(6)
    if kind == 0 and tags:
        found = draw.choice(tags)
        text = text[: found.start()] + draw.choice(("", found[0] * 2, "<x>", "<!-- " + found[0])) + text[found.end() :]
    elif kind == 1:
        entity = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "/etc/passwd">]>'
        text = entity + re.sub(r">([^<]+)<", lambda m: f">{draw.choice(('&b;', '&c;', m[1]))}<", text, count=3)
    elif attributes:
        found = draw.choice(attributes)
        name, value = found[1], found[2]
        new = draw.choice((f'{name}="{draw.choice(VALUES)}"', "", f'{name}x="{value}"', f"{found[0]} {found[0]}"))
        text = text[: found.start()] + new + text[found.end() :]
    return text.encode("utf-8", "surrogatepass")


def subtle(path: Path, draw: random.Random) -> None:
    """A value of JSON (or of a line of it) becomes one that is nearly right."""
    text = path.read_text()
    try:
        path.write_text(json.dumps(subtler(json.loads(text), draw)))
        return
    except json.JSONDecodeError:
        rows = text.splitlines()
    at = draw.randrange(len(rows))
    rows[at] = json.dumps(subtler(json.loads(rows[at]), draw))
    path.write_text("\n".join(rows) + "\n")


def places_of(tree: Any, *, most: int) -> list[tuple[Any, Any]]:
    """Every place in plain data, as what holds it and its key there; of each list or table, at most so many."""
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        for key in keys[:most]:
            places.append((node, key))
            waiting.append(node[key])
    return places


def subtler(tree: Any, draw: random.Random) -> Any:
    """The same plain data, one value of which has another type, place, sign, scale, case or name."""
    tree = json.loads(json.dumps(tree))
    places = places_of(tree, most=100)
    if not places:
        return [tree]
    node, key = draw.choice(places)
    other, another = draw.choice(places)
    match draw.randrange(6):
        case 0:
            node[key], other[another] = other[another], json.loads(json.dumps(node[key]))
        case 1:
            node[key] = [node[key]]
        case 2:
            node[key] = {"0": node[key]}
        case 3 if isinstance(node, dict):
            text = str(key)
            node[draw.choice((text.upper(), f" {text}", f"{text}\u200b", f"{text}s", f"{text}\n"))] = node.pop(key)
        case 4 if isinstance(node, list):
            node[key:] = draw.choice((node[key + 1 :], [*node[key:], *node[key:]], node[key:][::-1]))
        case _:
            node[key] = _other_scalar(node[key], draw)
    return tree


def _other_scalar(value: Any, draw: random.Random) -> Any:
    if isinstance(value, bool):
        return draw.choice((int(value), str(value).lower(), not value))
    if isinstance(value, int | float):
        return draw.choice(
            (float(value), str(value), -value, value + 1, value * 1000, value / 3, value + 2**32, f" {value}")
        )
    if isinstance(value, str):
        return draw.choice(
            (value.upper(), f"{value} ", value[::-1], f"{value}/", f"./{value}", value.replace(".", "/../"), 7)
        )
    if isinstance(value, dict):
        return list(value.items())
    return dict(enumerate(value)) if isinstance(value, list) else draw.choice((False, 0, "None", "null"))


def encoded(path: Path, draw: random.Random) -> None:
    """The same text in another encoding, with other ends of lines, or packed."""
    data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-16-be"),
        lambda: text.encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\xef\xbb\xbf" * 2 + data,
        lambda: (text + "\u00e4").encode("latin-1", "replace"),
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", "\u2028".encode()),
        lambda: data.replace(b"\n", b"\n\n\n"),
        lambda: data.replace(b" ", "\u00a0".encode()),
        lambda: gzip.compress(data),
        lambda: data + b"\0",
        lambda: data + b"\x1a",
        lambda: b" " * 100_000 + data,
        lambda: b"\n" * draw.choice((1, 200_000)),
        lambda: data.rstrip(b"\n") + b"x" * (9 << 20),
    )
    path.write_bytes(draw.choice(kinds)())


def placed(path: Path, draw: random.Random) -> None:
    """Another file of the same material is there, or nothing, or a link, or a file of some gigabytes of nothing."""
    others = [one for one in sorted(path.parent.rglob("*")) if one.is_file() and one != path]
    kind = draw.randrange(7)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        path.write_bytes(b"")
    elif kind == 2:
        path.write_bytes(path.read_bytes() * draw.choice((2, 300)))
    elif kind == 3:
        with path.open("r+b") as file:
            file.truncate(draw.choice((3 << 30, 200 << 30)))
    elif kind == 4 and others:
        path.write_bytes(draw.choice(others).read_bytes())
    elif kind == 5 and others:
        path.write_bytes(path.read_bytes() + draw.choice(others).read_bytes())
    else:
        path.unlink()
        path.symlink_to(draw.choice((*others, path.parent, path.parent / "nothing")))
