"""Files of weights, read without running anything in them; whatever else a file is, is said in one line."""

from __future__ import annotations

import math
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from sccan.backbones.tensor_files import is_safetensors, open_tensors
from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.reading import regular_file, unreadable
from sccan.files.structured import LARGEST, shown

# Training scripts store an accuracy beside the weights, often as a number of numpy's; these names make numbers only.
NUMPY_NUMBERS: list[Any] = [
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *{type(np.dtype(kind)) for kind in (*"?bBhHiIlLqQefdgFDGSUmM",)},
]
PREFIXES = ("module.", "_orig_mod.")
"""Of parallel training and of torch.compile, before all names or within them."""
WRAPPERS = ("state_dict", "params")
"""Keys under which published checkpoints keep the state dict."""
DAMAGED = (
    SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError, TypeError, AttributeError,
    AssertionError, ArithmeticError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
"""What torch's reader raises on a file that is cut short or has wrong bytes, depending on where."""
TELLING = (SafetensorError, RuntimeError, OSError)
"""Those of them whose text says something to a reader."""
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; run git lfs pull"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it and give the file inside"),
    (b"BZh", "is compressed with bzip2; unpack it and give the file inside"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it and give the file inside"),
    (b"Rar!", "is a RAR archive; unpack it and give the file inside"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes; expected is a file written by torch.save, or safetensors"),
    (b"\x93NUMPY", "is a NumPy array; expected is a file written by torch.save, or safetensors"),
    (b"\x89PNG", "is a PNG picture, not weights"),
    (b"\xff\xd8\xff", "is a JPEG picture, not weights"),
    (b"GIF8", "is a GIF picture, not weights"),
    (b"%PDF", "is a PDF document, not weights"),
    (b"\x03\x00\x00\x00", "is a file of Lua Torch (.t7), which cannot be read; expected is one of PyTorch"),
    (b"\x04\x00\x00\x00", "is a file of Lua Torch (.t7), which cannot be read; expected is one of PyTorch"),
    (b"{", "is JSON text, perhaps the error message of a download; open it in an editor, and fetch the file again"),
)
"""How files begin that are something else, and what to say about them."""
SHOWN = 4


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file; see `read_checkpoint`."""
    return read_checkpoint(path)[0]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, int | float]]:
    """The state dict in a file, on the CPU, and the plain numbers beside it (``epoch``, ``acc``).

    The file is safetensors, or written by `torch.save` with a state dict, bare or under ``state_dict`` or ``params``;
    its content decides, not its name. The prefixes of parallel training and of torch.compile are removed.

    Raises InputError: the file is missing, is something else, is cut short, stands for more than it holds, or holds
        more than plain tensors.
    """
    if not path.is_file() and not path.exists():
        raise InputError(f"weights {path} do not exist; check the path, or fetch the file (see initmodel/README.md)")
    check_size(f"weights {path}", regular_file(path, "weights"), "WEIGHTS_GB")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise unreadable(path, "weights", error) from error
    if refusal := _refusal(path, head):
        raise InputError(f"{path} {refusal}")
    content = _content(path, is_safetensors(head))
    beside: dict[str, int | float] = {}
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            beside = {name: v for name, v in content.items() if isinstance(v, int | float) and isinstance(name, str)}
            beside = {name: v for name, v in beside.items() if math.isfinite(v) and abs(v) < LARGEST}
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no state dict, but a {type(content).__name__}; save names with tensors")
    if {"format", "standing", "updater"} <= content.keys():
        raise InputError(
            f"{path} is the state that a run is resumed from, not its weights; give best.safetensors of that run"
        )
    for name, entry in content.items():
        if not isinstance(entry, Tensor) or not isinstance(name, str):
            raise InputError(
                f"{path} holds no state dict: entry {shown(name)} is a {type(entry).__name__}, not a tensor"
            )
        if fault := _unfit(entry):
            raise InputError(f"{path}: the tensor {name} {fault}; save the model's state dict as plain tensors")
    return _without_prefixes(content, path), beside


def _unfit(tensor: Tensor) -> str:
    """Why a tensor is no weight of any model; empty where it may be one."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return f"is {'quantised' if tensor.is_quantized else f'{tensor.layout} on {tensor.device}'}"
    if tensor.is_complex():
        return f"is complex ({tensor.dtype})"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"is announced as {list(tensor.shape)}, but has fewer numbers"
    return ""


def _without_prefixes(content: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The names without what a wrapper put before or into them. Raises InputError: two would be the same."""
    names = {name: name for name in content}
    while any(all(new.startswith(prefix) for new in names.values()) for prefix in PREFIXES):
        names = {name: new.partition(".")[2] for name, new in names.items()}
    names = {name: new.replace("_orig_mod.", "") for name, new in names.items()}
    if len(set(names.values())) < len(names):
        raise InputError(f"{path} holds a compiled and a plain copy of the same weights; save one of them")
    return {new: content[name] for name, new in names.items()}


def shortened(items: Sequence[str]) -> str:
    """The first few names of a list, and how many more there are."""
    rest = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _content(path: Path, safe: bool) -> Any:
    """What a file holds. Raises InputError: it cannot be read, or only by running it."""
    try:
        if safe:
            with open_tensors(path) as stored:
                return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
        if zipfile.is_zipfile(path):
            check_stored(path)
        # torch.load goes by the name of a path; of an open file it sees the content alone
        with torch.serialization.safe_globals(NUMPY_NUMBERS), warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # about pickle protocols, of a file that is then read or refused
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except (*DAMAGED, zipfile.BadZipFile, MemoryError, RecursionError, AssertionError) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()
        if foreign := re.search(r"GLOBAL ([\w.]+)", " ".join(text)):
            raise InputError(
                f"{path} holds more than tensors: a Python object {foreign[1]}, and reading it could run any program, "
                "so it is not read; whoever made it can save the weights alone, with torch.save(model.state_dict(), "
                "FILE)"
            ) from error
        reason = text[0] if isinstance(error, TELLING) else "its bytes make no sense"
        raise InputError(f"{path} cannot be read as weights ({reason}); it may be cut short, fetch it again") from error


def check_stored(path: Path) -> None:
    """Looks at the members of a zip file of torch.save, which compresses none of them.

    Raises InputError: one is compressed, or they are larger than the file. zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    packed = next((member for member in members if member.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise InputError(f"{path} is compressed ({packed.filename[:80]}), as torch.save never does; unpack and save it")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise InputError(f"{path} announces more than it holds; it is damaged, fetch it again")


def _refusal(path: Path, head: bytes) -> str:
    """What a file evidently is instead of weights, and what to do; nothing where it may be weights."""
    if not head:
        return "is empty; fetch it again"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "is a web page, not weights: the download was answered with HTML; open the link in a browser"
    if is_safetensors(head):
        return ""
    if known := next((said for beginning, said in BEGINNINGS if head.startswith(beginning)), ""):
        return known
    if head[257:262] == b"ustar":
        return "is a tar archive (weights named .pth.tar usually are none); unpack it and give the file inside"
    if head.startswith(b"PK"):
        return _refused_zip(path)
    if not head.startswith(b"\x80"):
        return "is no file written by torch.save; give a .pth or .safetensors file"
    return ""


def _refused_zip(path: Path) -> str:
    try:
        if not zipfile.is_zipfile(path):
            return "is cut short: it begins like a file of weights, but has no end; fetch it again"
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "is a damaged zip archive; fetch it again"
    if not any(name.endswith("data.pkl") for name in members):
        return f"is an archive of something else ({shortened(members)}); unpack it and give the file inside"
    if any(name.endswith("constants.pkl") for name in members) and any("/code/" in name for name in members):
        return "is a program of TorchScript (torch.jit.save), which is not run; save the model's state dict instead"
    return ""
