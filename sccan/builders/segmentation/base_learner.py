"""The trained base learner that BAM builds on, from settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_strict, read_state, translated
from sccan.builders.checkpoints import best_of, check_header, expected_facts
from sccan.engine.checkpoint import own_header
from sccan.errors import InputError
from sccan.segmentation.methods import pspnet

LAST_BIAS = "classifier.classify.4.bias"
"""What tells how many classes a base learner knows."""


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


def making(run: Path, cfg: CfgNode) -> str:
    """The command that fills a run folder named like its config file."""
    return f"python train_sccan.py --config=config/{cfg.DATA.NAME}/{run.name}.yaml"
