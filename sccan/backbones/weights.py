"""Weights into modules: every name and shape accounted for, or nothing changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.backbones.weight_files import read_state, shortened
from sccan.errors import InputError

# Counters that frozen norms do not have, and the ImageNet classifier that no backbone keeps.
BACKBONE_EXCUSED = ("*num_batches_tracked", "fc.*")
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
    load_strict(module, translated(state, names, source=str(path)), source=str(path), excused=excused)


def translated(state: dict[str, Tensor], names: NameTable | None, *, source: str) -> dict[str, Tensor]:
    """A state dict under our names.

    Args:
        state: under the names of a table, or ours already.
        names: the table; None: the names stay.
        source: what the error message calls the state.

    Raises InputError: two parameters would have one name.
    """
    try:
        return names.ours(state) if names else state
    except InputError as error:
        raise InputError(f"{source} does not fit the model: {error}") from error


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
    if not shapes:
        for name in common:
            _require_numbers(name, state[name], own[name], source)
    if missing or surplus or shapes:
        mismatched = [f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}" for name in shapes]
        lists = [("missing", missing), ("surplus", surplus), ("of another shape", mismatched)]
        told = "; ".join(f"{len(found)} {title}: {shortened(found)}" for title, found in lists if found)
        raise InputError(f"{source} does not fit the model{_suspicion(own, state)}: {told}")
    module.load_state_dict({name: state[name] for name in common}, strict=False)


def _require_numbers(name: str, found: Tensor, own: Tensor, source: str) -> None:
    """Raises InputError: a tensor is not of the kind of the model's, or holds what is no number."""
    kinds = [
        "fractions" if one.is_floating_point() else "truth values" if one.dtype == torch.bool else "whole numbers"
        for one in (found, own)
    ]
    if found.is_complex() or kinds[0] != kinds[1]:
        raise InputError(f"{source}: {name} is {found.dtype}, but the model has {kinds[1]} there; fetch it again")
    if found.is_floating_point() and not found.is_meta and not found.isfinite().all():
        what = "NaN" if found.isnan().any() else "infinite"
        raise InputError(f"{source}: {name} holds numbers that are {what}; take an earlier checkpoint of that training")


def weights_digest(module: nn.Module) -> str:
    """16 hexadecimal digits of a hash of all names and values; norms' counters, which compute nothing, apart."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _suspicion(own: Iterable[str], state: Iterable[str]) -> str:
    """The likely reason for a mismatch, where names tell it."""
    want, found = architecture(own), architecture(state)
    if want and found and want != found:
        return f" (it holds a {found}, the model is a {want}; choose the file or the depth to match)"
    return ""


def architecture(names: Iterable[str]) -> str:
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
