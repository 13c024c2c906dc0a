"""Weights from files: read without running anything in them, loaded strictly or not at all."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.errors import InputError

# Counters that frozen norms do not have, and the ImageNet classifier that no backbone keeps.
BACKBONE_EXCUSED = ("*num_batches_tracked", "fc.*")
# Training scripts store an accuracy beside the weights, often as a number of numpy's; these names make numbers only.
NUMPY_NUMBERS: list[Any] = [
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8")),
]
SHOWN = 4
RESNETS: dict[tuple[int | bool, ...], str] = {
    (3, 4, 6, 3, True): "ResNet-50",
    (3, 4, 23, 3, True): "ResNet-101",
    (3, 8, 36, 3, True): "ResNet-152",
    (2, 2, 2, 2, False): "ResNet-18",
    (3, 4, 6, 3, False): "ResNet-34",
}


def load_weights(
    module: nn.Module, path: Path, *, names: NameTable | None = None, excused: Sequence[str] = BACKBONE_EXCUSED
) -> None:
    """Load a file of weights into a module, every name and shape accounted for.

    Args:
        module: a backbone or a whole method.
        path: ``.safetensors``, or a file written by `torch.save` with a state dict, bare or under ``state_dict`` or
            ``params``.
        names: table from published names to the module's.
        excused: patterns of names that may be missing or left over.

    Raises InputError: the file cannot be read, or does not fit.
    """
    state = read_state(path)
    load_strict(module, names.ours(state) if names else state, source=str(path), excused=excused)


def load_strict(
    module: nn.Module, state: dict[str, Tensor], *, source: str, excused: Sequence[str] = ("*num_batches_tracked",)
) -> None:
    """Load a state dict; nothing is changed unless all of it fits.

    Args:
        module: where to.
        state: under the module's names.
        source: what the error message calls the state.
        excused: patterns (as of a shell) of names that may be missing or left over.

    Raises InputError: names are missing or left over, or shapes differ; the message lists both sides.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state and not _fits(name, excused)]
    surplus = [name for name in state if name not in own and not _fits(name, excused)]
    common = [name for name in own if name in state]
    shapes = [name for name in common if own[name].shape != state[name].shape]
    if missing or surplus or shapes:
        mismatched = [f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}" for name in shapes]
        lists = [("missing", missing), ("surplus", surplus), ("of another shape", mismatched)]
        told = "; ".join(f"{len(found)} {title}: {_shortened(found)}" for title, found in lists if found)
        raise InputError(f"{source} does not fit the model{_suspicion(own, state)}: {told}")
    module.load_state_dict({name: state[name] for name in common}, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU; the prefix ``module.`` of parallel training is removed.

    Raises InputError: the file is missing, is something else, is cut short, or holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"weights {path} do not exist; check the path, or fetch the file (see initmodel/README.md)")
    refusal = _refusal(path)
    if refusal:
        raise InputError(f"{path} {refusal}")
    try:
        content: Any
        if path.suffix == ".safetensors":
            content = safetensors.torch.load_file(path)
        else:
            with torch.serialization.safe_globals(NUMPY_NUMBERS):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds Python objects that are not plain tensors, which are never run; save its state dict alone"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path} cannot be read as weights ({reason}); it may be cut short, fetch it again") from error
    for key in ("state_dict", "params"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no state dict, but a {type(content).__name__}; save names with tensors")
    for name, entry in content.items():
        if not isinstance(entry, Tensor):
            raise InputError(f"{path} holds no state dict: entry {name!r} is a {type(entry).__name__}, not a tensor")
    if all(name.startswith("module.") for name in content):
        content = {name.removeprefix("module."): value for name, value in content.items()}
    return dict(content)


def _refusal(path: Path) -> str:
    """What a file evidently is instead of weights, and what to do; nothing where it may be weights."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "is empty; fetch it again"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "is a web page, not weights: the download was answered with HTML; open the link in a browser"
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself; run git lfs pull"
    if path.suffix == ".safetensors":
        return ""
    if head.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            return "is cut short: it begins like a file of weights, but has no end; fetch it again"
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        if not any(name.endswith("data.pkl") for name in members):
            return f"is an archive of something else ({_shortened(members)}); unpack it and give the file inside"
    elif not head.startswith(b"\x80"):
        return "is no file written by torch.save; give a .pth or .safetensors file"
    return ""


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _shortened(items: Sequence[str]) -> str:
    rest = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _suspicion(own: Iterable[str], state: Iterable[str]) -> str:
    """The likely reason for a mismatch, where names tell it."""
    want, found = _architecture(own), _architecture(state)
    if want and found and want != found:
        return f" (it holds a {found}, the model is a {want}; choose the file or the depth to match)"
    return ""


def _architecture(names: Iterable[str]) -> str:
    """Which ResNet or VGG a set of parameter names describes; nothing where it describes none."""
    numbers: dict[int, int] = {}
    bottleneck, deep_stem = False, False
    for name in names:
        if re.search(r"(?:^|\.)(layer4\.6|features\.40)\.weight$", name):
            return "VGG-16"
        if match := re.search(r"(?:^|\.)layer([1-4])\.(\d+)\.", name):
            stage, block = int(match[1]), int(match[2])
            numbers[stage] = max(numbers.get(stage, 0), block + 1)
            bottleneck |= ".conv3." in name
        elif re.search(r"(?:^|\.)conv3\.weight$", name):
            deep_stem = True
    counts = tuple(numbers.get(stage, 0) for stage in (1, 2, 3, 4))
    if not any(counts):
        return ""
    title = RESNETS.get((*counts, bottleneck), f"ResNet with {'-'.join(map(str, counts))} blocks")
    return f"deep-stem {title}" if deep_stem else f"{title} with torchvision's stem"
