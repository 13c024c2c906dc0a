"""Frozen parts with the weights that others trained: backbones, and the base learner that BAM builds on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from sccan.backbones import vgg
from sccan.backbones.stage import Backbone
from sccan.backbones.torchvision_resnet import DEPTHS, published_weights
from sccan.backbones.weights import BACKBONE_EXCUSED, load_strict, read_state, translated
from sccan.engine.checkpoint import own_header
from sccan.errors import InputError
from sccan.segmentation.methods import pspnet

PREFIXES = ("backbone.body.", "backbone.", "encoder.module.", "encoder.")
"""Under which a backbone stands in files of whole methods; the last two are those of TasNet's published ones."""
BEST = "best.safetensors"
"""Weights of a run folder that others load."""
LAST_BIAS = "classifier.classify.4.bias"
"""What tells how many classes a base learner knows."""


def load_backbone(backbone: Backbone, name: str, weights: str) -> None:
    """Load a backbone strictly.

    Args:
        name: BACKBONE.NAME.
        weights: a file (bare, a published base learner's, or a whole method's with the backbone under ``backbone.``),
            the folder of a run of ours, or the name of torchvision's weights.

    Raises InputError: nothing of that name, or it does not fit.
    """
    path = Path(weights)
    if name in DEPTHS and not path.exists() and weights.isidentifier():
        state = published_weights(name, weights)
    else:
        if path.is_dir():
            path = best_of(path)
        state = read_state(path)
    if any(key.startswith("layer0.") for key in state):
        state = translated(state, pspnet.PUBLISHED_NAMES, source=weights)
    prefix = next((p for p in PREFIXES if any(key.startswith(p) for key in state)), "")
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    inside = translated(inside, vgg.TORCHVISION_NAMES, source=weights)
    load_strict(backbone, inside, source=weights, excused=(*BACKBONE_EXCUSED, "classifier.*"))


def load_base_learner(cfg: CfgNode, backbone: Backbone, head: nn.Module, base_classes: Sequence[int]) -> None:
    """Load METHOD.BAM.BASE, the base learner's backbone and head, strictly.

    Args:
        cfg: also names what is expected: backbone, data set and fold.
        backbone, head: where to.
        base_classes: of the fold.

    Raises InputError: it is missing (the line names the command that makes it), has another backbone, fold or number
        of classes (the line names both), or does not fit otherwise.
    """
    path = base_checkpoint(cfg)
    state = read_state(path)
    check_header(path, own_header(path), {"method": "pspnet", **expected_facts(cfg)})
    state = translated(state, pspnet.PUBLISHED_NAMES, source=str(path))
    known = len(state[LAST_BIAS]) if LAST_BIAS in state else None
    if known is not None and known != len(base_classes) + 1:
        raise InputError(
            f"base learner {path} tells {known} classes apart (with the background), but fold {cfg.DATA.FOLD} of "
            f"{cfg.DATA.NAME} has {len(base_classes)} base classes, hence {len(base_classes) + 1}; "
            "choose the data set, the fold or METHOD.BAM.BASE to match"
        )
    load_strict(nn.ModuleDict({"backbone": backbone, "classifier": head}), state, source=str(path))


def base_checkpoint(cfg: CfgNode) -> Path:
    """The file that METHOD.BAM.BASE names.

    Raises InputError: there is none; the line names the command that makes it.
    """
    named = cfg.METHOD.BAM.BASE
    if not named:
        raise InputError(
            "METHOD.BAM.BASE is empty, but bam builds on a trained base learner; name the run folder of a pspnet, "
            "or a published base checkpoint"
        )
    path = Path(named)
    if path.is_dir():
        return best_of(path, cfg.DATA.NAME)
    if not path.is_file():
        raise InputError(f"there is no base learner {path} (METHOD.BAM.BASE); make it with {making(path, cfg)}")
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


def making(run: Path, cfg: CfgNode) -> str:
    """The command that fills a run folder named like its config file."""
    return f"python train_sccan.py --config=config/{cfg.DATA.NAME}/{run.name}.yaml"


def expected_facts(cfg: CfgNode) -> dict[str, Any]:
    """What the header of fitting weights says, where it says anything."""
    return {"backbone": cfg.BACKBONE.NAME, "data": cfg.DATA.NAME, "fold": cfg.DATA.FOLD}


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
