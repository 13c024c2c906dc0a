"""Where features of test pictures are kept, from settings."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.backbones.weights import weights_digest
from sccan.engine.distributed import Runtime
from sccan.engine.feature_files import FeatureFiles
from sccan.errors import InputError
from sccan.segmentation.data.sampling.pictures import SegmentationSource

KEPT_BY = ("EVIDENCE", "MERGE_STAGES", "PRIOR_STAGE", "SCENE_STAGE", "STAGES", "FLIP")
"""Settings of methods that decide which maps of a picture they keep."""


def feature_store(cfg: CfgNode, runtime: Runtime) -> torch.device:
    """The device that TEST.CACHE_ON means.

    Raises InputError: it means none.
    """
    known = {"device": runtime.device, "host": torch.device("cpu")}
    if cfg.TEST.CACHE_ON not in known:
        raise InputError(f"TEST.CACHE_ON is {cfg.TEST.CACHE_ON!r}, expected {' or '.join(known)}")
    return known[cfg.TEST.CACHE_ON]


def feature_files(cfg: CfgNode, method: nn.Module, source: Any) -> FeatureFiles | None:
    """The folder TEST.FEATURE_FILES as a store of this method's features of a source's pictures.

    Returns:
        None where there is no such folder, where the backbone learns, or where pictures are no files.
    """
    backbone = next((module for module in method.modules() if isinstance(module, Backbone)), None)
    if not cfg.TEST.FEATURE_FILES or not isinstance(source, SegmentationSource):
        return None
    if backbone is None or not backbone.frozen:
        return None
    stages = ",".join(f"{name}/{stage.stride}" for name, stage in backbone.stages.items())
    how = f"{cfg.TEST.PRECISION} {cfg.TEST.FOLD_NORMS} {torch.__version__} {stages} {source.transform!r}"
    common = f"{weights_digest(backbone)} {type(method).__name__} {cfg.METHOD.NAME} {kept_maps(cfg)} {how}".encode()

    @functools.cache
    def digest(number: int, support: bool) -> str:
        picture = Path(source.store.index.image_path(number)).read_bytes()
        return hashlib.sha256(common + b" support " * support + picture).hexdigest()

    budget = int(cfg.TEST.FEATURE_FILES_GB * (1 << 30))
    return FeatureFiles(Path(cfg.TEST.FEATURE_FILES), digest, budget_bytes=budget)


def kept_maps(cfg: CfgNode) -> str:
    """The settings of a method that decide which maps of a picture it keeps, and their values."""
    own = cfg.METHOD.get(cfg.METHOD.NAME.upper(), {})
    told = cfg.METHOD.get(own.get("EVIDENCE", "").upper(), {})
    return " ".join(f"{name} {node[name]}" for node in (own, told) for name in KEPT_BY if name in node)
