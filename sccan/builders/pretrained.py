"""Backbones with the weights that others trained."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sccan.backbones import vgg
from sccan.backbones.necked import NeckedBackbone
from sccan.backbones.stage import Backbone
from sccan.backbones.torchvision_resnet import DEPTHS, published_weights
from sccan.backbones.weights import BACKBONE_EXCUSED, load_strict, read_state, translated
from sccan.builders.backbones import TIMM
from sccan.builders.checkpoints import best_of
from sccan.segmentation.methods import pspnet

PREFIXES = ("backbone.body.", "backbone.", "encoder.module.", "encoder.")
"""Under which a backbone stands in files of whole methods; the last two are those of TasNet's published ones."""


def load_backbone(backbone: Backbone, name: str, weights: str, *, download: bool = False) -> None:
    """Load a backbone strictly.

    Args:
        name: BACKBONE.NAME.
        weights: a file (bare, a published base learner's, or a whole method's with the backbone under ``backbone.``),
            the folder of a run of ours, or the name of torchvision's weights; of a network of timm also ``packaged``,
            ``hub`` or ``hub:OWNER/NAME``.
        download: fetch weights of the hub if they are not on this machine.

    Raises InputError: nothing of that name, or it does not fit.
    """
    if name == TIMM:
        _load_timm(backbone.bare if isinstance(backbone, NeckedBackbone) else backbone, weights, download)
        return
    path = Path(weights)
    if name in DEPTHS and not path.exists() and weights.isidentifier():
        state = published_weights(name, weights)
    else:
        if path.is_dir():
            path = best_of(path)
        state = read_state(path)
    if any(key.startswith("layer0.") for key in state):
        state = translated(state, pspnet.PUBLISHED_NAMES, source=weights)
    inside = translated(_inside(state), vgg.TORCHVISION_NAMES, source=weights)
    load_strict(backbone, inside, source=weights, excused=(*BACKBONE_EXCUSED, "classifier.*"))


def _load_timm(backbone: Backbone, weights: str, download: bool) -> None:
    from sccan.backbones.timm_network import TimmBackbone
    from sccan.backbones.timm_weights import is_no_file, load_named, load_timm_state

    assert isinstance(backbone, TimmBackbone)
    if is_no_file(weights):
        load_named(backbone, weights, download=download)
        return
    path = Path(weights)
    state = read_state(best_of(path) if path.is_dir() else path)
    load_timm_state(backbone, _inside(state), source=weights)


def _inside(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's part of a method's parameters; all of a bare backbone's."""
    prefix = next((p for p in PREFIXES if any(key.startswith(p) for key in state)), "")
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
