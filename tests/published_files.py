"""Files as the published code of every system would have saved them: small models of ours under published names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sccan.builders.classification.data import build_classifier
from sccan.builders.classification.models import METHODS
from sccan.builders.released.checkpoint import TABLES
from sccan.builders.segmentation.models import BASE_LEARNERS, build_base_learner, build_method
from sccan.settings.loading import config_of

SMALL = {"NAME": "small", "SMALL": {"STEM": (8, 8, 16), "WIDTHS": (16, 24, 32, 40), "BLOCKS": (1, 2, 1, 1)}}
STRIDED = {"NAME": "resnet12", "RESNET12": {"STEM": 8, "WIDTHS": (8, 12, 16, 16), "STRIDES": (1, 2, 2, 2)}}
HALVING = {"NAME": "resnet12", "RESNET12": {"STEM": 8, "WIDTHS": (8, 12, 16, 20), "STRIDES": (2, 2, 2, 2)}}
POOLED = {"NAME": "resnet12_pooled", "RESNET12_POOLED": {"WIDTHS": (8, 12, 16, 16)}}
FLOORED = {**POOLED, "RESNET12_POOLED": {"WIDTHS": (8, 12, 16, 16), "ROUND_UP": False, "DROP_RATE": 0.0}}

SYSTEMS: Mapping[str, dict[str, Any]] = {
    "sccan": {"BACKBONE": SMALL, "METHOD": {"SCCAN": {"CHANNELS": 16, "DEPTH": 3, "MLP_RATIO": 2.0}}},
    "bam": {
        "BACKBONE": SMALL,
        "METHOD": {"BAM": {"CHANNELS": 16, "SHOT_CHANNELS": 3}, "PSPNET": {"CHANNELS": 8}},
        "EPISODE": {"SHOTS": 5},
    },
    "pspnet": {"BACKBONE": SMALL, "METHOD": {"PSPNET": {"CHANNELS": 8}}},
    "can": {"BACKBONE": HALVING, "METHOD": {}},
    "dmf": {"BACKBONE": POOLED, "METHOD": {"DMF": {"GROUPS": 4}}},
    "tsf": {"BACKBONE": STRIDED, "METHOD": {"TSF": {"TOKENS": 3}, "TASKS": {"ROTATION": False}}},
    "spatialformer": {"BACKBONE": FLOORED, "METHOD": {}},
    "amtnet": {"BACKBONE": {"NAME": "conv4", "CONV4": {"WIDTHS": (8, 8, 12, 16)}}, "METHOD": {}},
    "cecnet": {"BACKBONE": STRIDED, "METHOD": {"CECNET": {"CLUSTER": "gcn", "DISTANCE": "transformer"}}},
    "patchproto": {"BACKBONE": STRIDED, "METHOD": {}},
    "tasnet": {"BACKBONE": POOLED, "METHOD": {"TASNET": {"WORD_SIZE": 12}}},
}
"""METHOD.NAME -> what differs from the defaults; only what names and shapes tell again."""
N_BASE = 15


def small_model(system: str, seed: int = 3) -> nn.Module:
    """A small model of a system with random weights and random statistics of its norms, in evaluation mode."""
    settings = SYSTEMS[system]
    method = {"NAME": system, **settings["METHOD"]}
    if system in METHODS:  # as published, whatever is learned of the losses is not saved
        method["TASKS"] = {"LEARNED_WEIGHTS": False, **method.get("TASKS", {})}
    cfg = config_of({**settings, "METHOD": method, "SEED": seed}, "the test")
    model: nn.Module
    if system in METHODS:
        model = build_classifier(cfg, N_BASE)
    elif system in BASE_LEARNERS:
        model = build_base_learner(cfg, N_BASE)
    else:
        model = build_method(cfg, range(1, N_BASE + 1), pretrained=False)
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return model.eval()


def published_state(system: str, model: nn.Module) -> dict[str, Tensor]:
    """Under published names, with what the published code saves twice or never uses."""
    state = TABLES[system].published(model.state_dict())
    for name, value in list(state.items()):
        if system == "pspnet" and name.startswith("layer"):
            state[f"encoder.{name.removeprefix('layer')}"] = value
        if system == "spatialformer" and name.startswith("similarity_res_func.clasifier."):
            state[name.replace("similarity_res_func.", "attention_")] = value
        if system == "tasnet" and name.startswith("word_learner.fc1_"):
            state[f"word_learner.vars.{int(name.endswith('b'))}"] = value
        if system == "tsf" and "attention.merge." in name:
            state |= {name.replace("merge", f"proj.{number}"): value.clone() for number in range(3)}
        if system == "amtnet" and name.endswith(("cosin_weight", "proto_weight", "relation_weight")):
            state[name] = value.reshape(())
        if name.startswith("metrics.loss_weights"):
            del state[name]
    return state


def save_published(path: Path, system: str, model: nn.Module) -> Path:
    """A file as the published code saves it."""
    state = published_state(system, model)
    if system == "tasnet":
        content: dict[str, Any] = {"params": state}
    else:
        parallel = {f"module.{name}": value for name, value in state.items()}
        content = {"state_dict": parallel, "epoch": 43, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
        content |= {"acc": np.float64(0.5)} if system in METHODS else {}
    torch.save(content, path)
    return path
