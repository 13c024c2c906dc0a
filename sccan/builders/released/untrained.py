"""Models that nobody trained: a method that learns nothing, on a backbone with published weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.backbones.weights import weights_digest
from sccan.builders.backbones import backbone_name
from sccan.builders.classification.data import build_untrained
from sccan.builders.classification.frozen import TRAINING_FREE as CLASSIFYING
from sccan.builders.ready import DEFAULT, READY
from sccan.builders.segmentation.models import TRAINING_FREE as SEGMENTING
from sccan.builders.segmentation.models import build_method
from sccan.engine.folded import fold_backbones
from sccan.errors import InputError
from sccan.method import Method
from sccan.settings.loading import config_of

CLASSIFY: tuple[str, ...] = (
    *("METHOD.NAME", "simpleshot", "METHOD.FROZEN.CENTRE", "none"),
    *("BACKBONE.NAME", "timm", "BACKBONE.TIMM.MODEL", "tf_efficientnet_lite1", "BACKBONE.TIMM.STAGES", "('bn2',)"),
    *("BACKBONE.WEIGHTS", "packaged", "PICTURE.SIZE", "(224, 224)", "PICTURE.CONSTANTS", "imagenet"),
)
TAKEN: Mapping[str, Sequence[str]] = {"segment": DEFAULT.options, "classify": CLASSIFY}
"""Task -> settings of the model that is taken where none is named; its weights are an installed package."""


@dataclass(frozen=True)
class Untrained:
    """A method that learns nothing, ready to be used.

    Attributes:
        cfg: its settings.
        method: in evaluation mode, on the CPU, its norms folded.
        source: what the weights of its backbone are called.
        digest: of these weights.
        is_classifier: whether it tells pictures apart; else it segments.
        note: what it is, in one line.
    """

    cfg: CfgNode
    method: Method
    source: Path
    digest: str
    is_classifier: bool
    note: str


def named_settings(name: str) -> Sequence[str]:
    """The settings of a model by its name, of an installed package or of the hub; empty where there is no such name."""
    return TAKEN.get(name, ()) or (READY[name].options if name in READY else ())


def model_names() -> tuple[str, ...]:
    """Every name that `named_settings` knows."""
    return (*TAKEN, *READY)


def untrained(settings: Sequence[str], opts: Sequence[str] = ()) -> Untrained:
    """Builds the model that settings describe.

    Args:
        settings: KEY VALUE pairs.
        opts: KEY VALUE pairs that replace settings.

    Raises InputError: the settings name a method that has to be trained, or weights that are not there.
    """
    cfg = config_of({}, "the model's settings", (*settings, *opts))
    name = cfg.METHOD.NAME
    is_classifier = name in CLASSIFYING
    if not is_classifier and name not in SEGMENTING:
        raise InputError(
            f"METHOD.NAME is {name!r}, which has to be trained; name its run folder or checkpoint with --model, or "
            f"choose {', '.join((*SEGMENTING, *CLASSIFYING))}"
        )
    method = (build_untrained(cfg) if is_classifier else build_method(cfg, (), pretrained=True)).eval()
    backbone = method.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    digest = weights_digest(backbone)
    fold_backbones(method)
    weights = cfg.BACKBONE.WEIGHTS
    note = f"{name} on {backbone_name(cfg)}, weights {weights}; nothing of it was trained here"
    return Untrained(cfg, method, Path(weights), digest, is_classifier, note)
