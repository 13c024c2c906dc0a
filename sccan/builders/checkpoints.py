"""Checkpoints of whole methods: where a run keeps its own, what its header must say, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from sccan.backbones.tensor_files import is_safetensors
from sccan.builders.backbones import backbone_name
from sccan.builders.engine import run_folder
from sccan.errors import InputError
from sccan.files.structured import parse_json

BEST = "best.safetensors"
"""Weights of a run folder that others load."""


def checkpoint_path(cfg: CfgNode, given: str = "") -> Path:
    """The checkpoint to test: the one given, TEST.WEIGHTS, or the best one of the run.

    Args:
        given: a file, or the folder of a run; empty: see above.

    Raises InputError: it does not exist; the line says which command makes it.
    """
    named = given or cfg.TEST.WEIGHTS
    path = Path(named) if named else run_folder(cfg) / BEST
    if path.is_dir():
        path = path / BEST
    if not path.is_file():
        advice = "check the path" if named else "train first (train_sccan.py with the same config), or give --weights"
        raise InputError(f"there is no checkpoint {path}; {advice}")
    return path


def best_of(run: Path, data: str = "") -> Path:
    """The best weights of a run folder.

    Args:
        data: the data set, so that the error can name the command.

    Raises InputError: it has none yet.
    """
    best = run / BEST
    if not best.is_file():
        folder = f"config/{data}" if data else "config/..."
        raise InputError(
            f"{run} holds no {BEST}: that run has not been validated yet; train it first "
            f"(python train_sccan.py --config={folder}/{run.name}.yaml)"
        )
    return best


def expected_facts(cfg: CfgNode) -> dict[str, Any]:
    """What the header of fitting weights says, where it says anything."""
    return {"backbone": backbone_name(cfg), "data": cfg.DATA.NAME, "fold": cfg.DATA.FOLD}


def check_header(path: Path, header: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse weights whose header names something else than expected; a fold counts within one data set only.

    Raises InputError: it does; the line names both.
    """
    same_data = header.get("data") == expected.get("data")
    for key, wanted in expected.items():
        if key == "data" or (key == "fold" and not same_data):
            continue
        if header.get(key, wanted) != wanted:
            seen = "; it has been trained on classes that this fold tests" if key == "fold" else ""
            raise InputError(
                f"{path} is a checkpoint of {key} {header[key]}, but the settings name {key} {wanted}{seen}; "
                "choose the config or the checkpoint to match"
            )


def digest(path: Path) -> str:
    """16 hexadecimal digits of a SHA-256: of the weights alone in a safetensors file, else of the file.

    What such a file says beside its weights, such as when they were reached, is left out: a training that was killed
    and went on reaches the same weights at another time.
    """
    with path.open("rb") as file:
        size = file.read(8)
        if not is_safetensors(size + file.read(8)):
            return sha256(path)[:16]
        file.seek(8)
        header: dict[str, Any] = parse_json(file.read(int.from_bytes(size, "little")), dict[str, Any], str(path))
        header.pop("__metadata__", None)
        found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()[:16]


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
