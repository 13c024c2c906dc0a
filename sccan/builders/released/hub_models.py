"""Whole models on the model hub, ``hf://OWNER/NAME[@REVISION]``: pinned to a commit, fetched once, as safetensors."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from sccan.backbones.hub import COMMIT, FILE, HubWeights, Unreachable, announced, fetch_weights, parse_hub_name
from sccan.backbones.tensor_files import is_safetensors
from sccan.errors import InputError
from sccan.files.alone import in_turn
from sccan.files.writing import write_text_atomically

logger = logging.getLogger(__name__)

HUB = "hf://"
PINNED = "commit.txt"
"""Beside what was fetched of a branch or tag: the commit that it stood for."""


@dataclass(frozen=True)
class HubModel:
    """A model of the hub that is on this machine.

    Attributes:
        path: its weights, in the cache folder.
        address: with the commit that it is of.
    """

    path: Path
    address: str


def is_hub_address(source: str | Path) -> bool:
    """Whether a model is named as one of the hub."""
    return str(source).startswith(HUB)


def parse_address(address: str) -> HubWeights:
    """The file of weights that an address means.

    Raises InputError: it is no address of a model.
    """
    try:
        return parse_hub_name(address.removeprefix(HUB))
    except InputError as error:
        raise InputError(
            f"{address!r} names no model; expected {HUB}OWNER/NAME, or {HUB}OWNER/NAME@REVISION"
        ) from error


def fetch_model(address: str) -> HubModel:
    """The model at an address: fetched, or as it was fetched earlier.

    A branch or tag is looked up at every call; where the hub does not answer, it stands for what it stood for at
    the last one. A commit that is here needs no connection.

    Raises InputError: the hub does not answer or has no such model, or its file is no safetensors.
    """
    named = parse_address(address)
    pinned = named if COMMIT.fullmatch(named.revision) else replace(named, revision=_commit(named))
    with in_turn(pinned.path.parent):  # processes that torchrun started fetch it once
        path = fetch_weights(pinned)
    with path.open("rb") as file:
        if not is_safetensors(file.read(16)):
            raise InputError(f"{path}, {FILE} of {HUB}{pinned}, is no safetensors; nothing else is read from the hub")
    return HubModel(path, f"{HUB}{pinned}")


def _commit(named: HubWeights) -> str:
    """What a branch or tag stands for. Raises InputError: that cannot be told."""
    record = named.path.with_name(PINNED)
    try:
        commit = announced(named).commit
    except Unreachable:
        known = record.read_text(encoding="utf-8") if record.is_file() else ""
        if not COMMIT.fullmatch(known):
            raise
        logger.info("the hub does not answer; %s%s is what it was at the last time, %s", HUB, named, known[:12])
        return known
    if not commit:
        raise InputError(f"the hub does not say which commit {HUB}{named} is; name one: {HUB}{named.name}@COMMIT")
    write_text_atomically(record, commit)
    return commit
