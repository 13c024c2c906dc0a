"""Models that nobody trained: a method that learns nothing, on a backbone with published weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.backbones.weights import weights_digest
from sccan.builders.backbones import backbone_name
from sccan.builders.segmentation.models import TRAINING_FREE, build_method
from sccan.config import config_of
from sccan.engine.folded import fold_backbones
from sccan.errors import InputError
from sccan.method import Method

SIDE = 448
EYES = ("blocks.4", "blocks.5")
DEFAULT: tuple[str, ...] = (
    *("METHOD.NAME", "guided_density", "METHOD.GUIDED_DENSITY.STAGES", str(EYES)),
    *("BACKBONE.NAME", "timm", "BACKBONE.TIMM.MODEL", "tf_efficientnet_lite1", "BACKBONE.TIMM.STAGES", str(EYES)),
    *("BACKBONE.TIMM.OUTPUT_STRIDE", "16", "BACKBONE.WEIGHTS", "packaged"),
    *("TEST.RESIZE", "square", "TEST.SIZE", str(SIDE)),
)
"""The settings of the model that is taken where none is named; its weights are an installed package."""


@dataclass(frozen=True)
class Untrained:
    """A method that learns nothing, ready to be used.

    Attributes:
        cfg: its settings.
        method: in evaluation mode, on the CPU, its norms folded.
        source: what the weights of its backbone are called.
        digest: of these weights.
        note: what it is, in one line.
    """

    cfg: CfgNode
    method: Method
    source: Path
    digest: str
    note: str


def untrained(settings: Sequence[str], opts: Sequence[str] = ()) -> Untrained:
    """Builds the model that settings describe.

    Args:
        settings: KEY VALUE pairs.
        opts: KEY VALUE pairs that replace settings.

    Raises InputError: the settings name a method that has to be trained, or weights that are not there.
    """
    cfg = config_of({}, "the model's settings", (*settings, *opts))
    if cfg.METHOD.NAME not in TRAINING_FREE:
        raise InputError(
            f"METHOD.NAME is {cfg.METHOD.NAME!r}, which has to be trained; name its run folder or checkpoint with "
            f"--model, or choose {', '.join(TRAINING_FREE)}"
        )
    method = build_method(cfg, (), pretrained=True).eval()
    backbone = method.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    digest = weights_digest(backbone)
    fold_backbones(method)
    weights = cfg.BACKBONE.WEIGHTS
    note = f"{cfg.METHOD.NAME} on {backbone_name(cfg)}, weights {weights}; nothing of it was trained here"
    return Untrained(cfg, method, Path(weights), digest, note)
