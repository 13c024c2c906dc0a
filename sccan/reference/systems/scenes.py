"""What the cases of INSID3 and FROST share: scenes, the made-up encoder, and masks at the size of the picture."""

from __future__ import annotations

import ast
import re
from typing import Any

import torch
from torch import Tensor

from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.method import Method
from sccan.reference import fill
from sccan.reference.cases import Case
from sccan.reference.toy_encoder import ToyEncoder

SHARED = ("image_size", "channels", "position", "svd_components", "shots", "object_share", "query_without_object")
"""Settings that both systems' cases may have."""


def known_settings(case: Case, *own: str) -> dict[str, Any]:
    """The settings of a case.

    Args:
        own: names that only its system has.

    Raises InputError: one is unknown, so that the case would be computed without it.
    """
    unknown = sorted(set(case.config) - {*SHARED, *own})
    if unknown:
        raise InputError(f"{case.path} sets {', '.join(unknown)}, which is not known here; known are {', '.join(own)}")
    case.config.aside(*SHARED)  # the rules of the inputs say them again, and decide
    return case.config


def encoder(case: Case) -> ToyEncoder:
    """The made-up encoder that the case's rule describes."""
    called = _call(case, "encoder", "toy_tokens", ("images", "channels", "patch", "position"))
    settings = {name: called[name] for name in ("patch", "position") if name in called}
    return ToyEncoder(called["channels"], **settings).freeze()


def encoded(case: Case, method: Method) -> tuple[Features, Tensor, Features]:
    """Support features [1, K, ...], their masks [1, K, H, W], and query features [1, 1, ...]."""
    shots = int(case.config["shots"])
    scenes = [scene(case, f"support_{number}") for number in range(shots)]
    support = torch.stack([image for image, _ in scenes]).to(case.device)
    masks = torch.stack([mask for _, mask in scenes])[None].to(case.device)
    query = scene(case, "query")[0][None].to(case.device)
    return method.encode_support(support).view(1, shots), masks, method.encode(query).view(1, 1)


def scene(case: Case, name: str) -> tuple[Tensor, Tensor]:
    """Picture [3, H, W] and mask [H, W] of an input, as its rule describes them."""
    called = _call(case, name, "scene", ("name", "size", "object_share", "seed"))
    image, mask = fill.scene(**called)
    return torch.from_numpy(image), torch.from_numpy(mask)


def _call(case: Case, name: str, function: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a function of ``fill`` that an input's rule names, read as literals and never run.

    Raises InputError: the rule names no such call.
    """
    if name not in case.inputs:
        raise InputError(f"{case.path} has no input {name!r}")
    rule = str(case.inputs[name].get("rule", ""))
    # One level of brackets inside those of the call.
    found = re.search(rf"fill\.({function}\([^()]*(?:\([^()]*\)[^()]*)*\))", rule)
    if found is None:
        raise InputError(f"input {name!r} of {case.path} has the rule {rule!r}; expected a call of fill.{function}")
    tree = ast.parse(found[1], mode="eval").body
    assert isinstance(tree, ast.Call)
    given = dict(zip(arguments, tree.args, strict=False)) | {word.arg: word.value for word in tree.keywords if word.arg}
    try:
        return {key: ast.literal_eval(value) for key, value in given.items() if key != "images"}
    except ValueError as error:
        raise InputError(f"input {name!r} of {case.path} has arguments that are no literals: {rule!r}") from error
