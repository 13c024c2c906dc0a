"""Checkpoints of whole methods, ours and published ones, loaded for what the settings name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from sccan.backbones.weights import load_weights
from sccan.build.engine import run_folder
from sccan.build.models import NAME_TABLES
from sccan.build.pretrained import BEST, check_header, expected_facts
from sccan.engine.checkpoint import own_header
from sccan.errors import InputError
from sccan.segmentation.methods.bam import BAM


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


def load_checkpoint(model: nn.Module, cfg: CfgNode, path: Path) -> dict[str, Any]:
    """Load a checkpoint strictly, published names translated, and return what its header says about it.

    Raises InputError: it belongs to another method, backbone or fold, or does not fit.
    """
    header = own_header(path)
    expected = {"method": cfg.METHOD.NAME, **expected_facts(cfg)}
    if isinstance(model, BAM):
        expected["shots"] = model.n_shot  # the network that weighs shots knows their number
    check_header(path, header, expected)
    load_weights(model, path, names=NAME_TABLES.get(cfg.METHOD.NAME))
    return header


def digest(path: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    return sha256(path)[:16]


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
