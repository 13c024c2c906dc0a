"""safetensors files: known by how they begin, measured before they are opened, and written to the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sccan.errors import InputError
from sccan.files.structured import Count, as_kind, parse_json

LONGEST_HEADER = 100_000_000
"""Bytes of a header that the library reads."""
ABOUT = "__metadata__"


class _Entry(msgspec.Struct):
    """What a header says of a tensor, as far as the file's length follows from it."""

    data_offsets: tuple[Count, Count]


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so is safetensors: the length of a JSON header, and the header."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def open_tensors(path: Path) -> safe_open:
    """The file, open to read its header and tensors, after a look at what it announces.

    The library maps a file whole, however long it is, before it looks at the header, and ends the process where there
    is no room left.

    Raises SafetensorError: the header is none, or the file has another length than follows from it.
    Raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(min(size, LONGEST_HEADER))
    try:
        content: dict[str, Any] = parse_json(header, dict[str, Any], "its header")
        content.pop(ABOUT, None)
        entries: dict[str, _Entry] = as_kind(content, dict[str, _Entry], "its header")
    except InputError as error:
        raise SafetensorError(str(error)) from error
    end = max((entry.data_offsets[1] for entry in entries.values()), default=0)
    announced, found = 8 + size + end, path.stat().st_size
    if announced != found:
        raise SafetensorError(f"it announces {announced} bytes, but has {found}")
    return safe_open(path, framework="pt")


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file, the same bytes for the same content; the library writes its metadata in any order."""
    written = safetensors.torch.save(dict(tensors), dict(metadata))
    size = int.from_bytes(written[:8], "little")
    header = json.loads(written[8 : 8 + size])
    ordered = {ABOUT: dict(sorted(metadata.items()))} | {k: v for k, v in header.items() if k in tensors}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + written[8 + size :]
