"""The checkpoint of a whole segmentation method, loaded for what the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from sccan.backbones.weights import load_weights
from sccan.builders.checkpoints import check_header, expected_facts
from sccan.builders.segmentation.models import NAME_TABLES
from sccan.engine.checkpoint import own_header
from sccan.segmentation.methods.bam import BAM


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
