"""Backbones with the weights that others trained."""

from __future__ import annotations

from pathlib import Path

from sccan.backbones import vgg
from sccan.backbones.stage import Backbone
from sccan.backbones.torchvision_resnet import DEPTHS, published_weights
from sccan.backbones.weights import BACKBONE_EXCUSED, load_strict, read_state, translated
from sccan.builders.checkpoints import best_of
from sccan.segmentation.methods import pspnet

PREFIXES = ("backbone.body.", "backbone.", "encoder.module.", "encoder.")
"""Under which a backbone stands in files of whole methods; the last two are those of TasNet's published ones."""


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
