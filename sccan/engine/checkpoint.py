"""Training state (everything to resume from) and released weights (safetensors with a JSON header).

Both are plain tensors and plain data, and appear whole or not at all. Weights are read and loaded strictly by
`sccan.backbones.weights`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from sccan.backbones.tensor_files import is_safetensors, open_tensors, tensor_bytes
from sccan.backbones.weight_files import DAMAGED, check_stored
from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.reading import regular_file
from sccan.files.structured import parse_json
from sccan.files.writing import write_bytes_atomically

FORMAT = 1
HEADER_KEY = "sccan"


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a training state that `torch.load(..., weights_only=True)` reads on any machine.

    Raises ValueError: it holds something other than tensors, numbers, text, None, lists and dictionaries.
    Raises InputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **_plain(state, "state")}, buffer)
    write_bytes_atomically(path, buffer.getvalue())


def read_state(path: Path) -> dict[str, Any]:
    """Reads what `write_state` wrote, on the CPU.

    Raises InputError: the file is missing or is no training state.
    """
    check_size(f"training state {path}", regular_file(path, "training state"), "WEIGHTS_GB")
    try:
        check_stored(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (*DAMAGED, zipfile.BadZipFile, MemoryError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} cannot be read as a training state ({reason}); start the run anew") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise InputError(f"{path} is no training state of format {FORMAT} (found: {found}); start the run anew")
    return state


def write_weights(path: Path, weights: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes weights as safetensors.

    Args:
        path: where to.
        weights: a state dict.
        header: JSON-able facts about them: method, protocol, revision, score ...

    Raises InputError: the file cannot be written.
    """
    stored: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in weights.items():
        tensor = value.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        stored[name] = tensor.clone() if storage in storages else tensor  # the format knows no shared storage
        storages.add(storage)
    metadata = {"format": "pt", HEADER_KEY: json.dumps(header, allow_nan=False)}
    write_bytes_atomically(path, tensor_bytes(stored, metadata))


def own_header(path: Path) -> dict[str, Any]:
    """What a file of weights says about itself; empty if it is none of ours, whatever it is called.

    Raises InputError: the header is broken.
    """
    with path.open("rb") as file:
        return read_header(path) if is_safetensors(file.read(16)) else {}


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file; empty if another program wrote the file.

    Raises InputError: the file is missing or is something else, or the header is broken.
    """
    try:
        with open_tensors(path) as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({error}); check the path or fetch it again") from error
    try:
        header: dict[str, Any] = parse_json(metadata.get(HEADER_KEY, "{}"), dict[str, Any], f"the header of {path}")
    except InputError as error:
        raise InputError(f"{error}; fetch the file again") from error
    return header


def _plain(value: Any, where: str) -> Any:
    """The same data in plain containers, with tensors on the CPU that do not drag a larger storage along."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item, f"{where}[{index}]") for index, item in enumerate(value))
    raise ValueError(f"{where} is a {type(value).__name__}; a training state holds tensors and plain data only")
