"""TasNet's three kinds of method from settings: the classifier of base classes, prototypes, and the head with words."""

from __future__ import annotations

from torch import nn
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.builders.backbones import TIMM
from sccan.builders.choices import require_choice
from sccan.builders.classification.backbones import last_stage
from sccan.builders.pretrained import load_backbone
from sccan.classification.methods.prototypes import BaseClassifier, Prototypes
from sccan.classification.methods.tasnet import Combination, TasNet, concatenated, fused
from sccan.classification.words.learner import FitSettings
from sccan.engine.distributed import Runtime
from sccan.errors import InputError

COMBINATIONS: dict[str, Combination] = {"fusion": fused, "concatenation": concatenated}
"""METHOD.TASNET.COMBINE -> how pictures and words are put together."""
UNIT_FEATURES = {"never": (False, False), "training": (True, False), "always": (True, True)}
"""METHOD.TASNET.UNIT_FEATURES -> whether features have unit length in training and in evaluation."""


def base_classifier_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> BaseClassifier:
    """The pre-training of a backbone on all base classes at once."""
    node = cfg.METHOD.BASE_CLASSIFIER
    return BaseClassifier(backbone, n_base=n_base, transductive=node.TRANSDUCTIVE, stage=last_stage(backbone))


def prototypes_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> Prototypes:
    """The prototype baseline; the number of base classes plays no part."""
    node, stage = cfg.METHOD.PROTOTYPES, last_stage(backbone)
    return Prototypes(backbone, unit_pixels=node.UNIT_PIXELS, transductive=node.TRANSDUCTIVE, stage=stage)


def tasnet_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> TasNet:
    """The head with words; the number of base classes plays no part, since only the visual layer is learned.

    Raises InputError: a setting of METHOD.TASNET is unfit.
    """
    node = cfg.METHOD.TASNET
    require_choice("METHOD.TASNET.COMBINE", node.COMBINE, COMBINATIONS)
    require_choice("METHOD.TASNET.UNIT_FEATURES", node.UNIT_FEATURES, UNIT_FEATURES)
    in_training, in_evaluation = UNIT_FEATURES[node.UNIT_FEATURES]
    return TasNet(
        backbone,
        word_size=node.WORD_SIZE,
        combine=COMBINATIONS[node.COMBINE],
        cosine=node.COSINE,
        scale=node.SCALE,
        visual_share=node.VISUAL_SHARE,
        fit=FitSettings(steps=node.STEPS, rate=node.RATE, factor=node.FACTOR, every=node.EVERY),
        unit_in_training=in_training,
        unit_in_evaluation=in_evaluation,
        transductive=node.TRANSDUCTIVE,
        carry_over=node.CARRY_OVER,
        word_scale=node.WORD_SCALE,
        stage=last_stage(backbone),
    )


def begin_with_backbone(cfg: CfgNode, method: nn.Module, runtime: Runtime) -> None:
    """Load BACKBONE.WEIGHTS into a method that starts from a trained backbone; no other is touched.

    On a network of timm every method starts from its weights.

    Raises InputError: it is empty though the method keeps its backbone frozen, or does not fit; or several processes
        are to share episodes that carry something over to the next.
    """
    require_one_process(method, runtime)
    if isinstance(method, TasNet) and not cfg.BACKBONE.WEIGHTS:
        raise InputError(
            "BACKBONE.WEIGHTS is empty, but tasnet trains on a frozen backbone; set it to the run folder of a "
            "base_classifier, a run of another method, or a file of weights"
        )
    if isinstance(method, BaseClassifier) and cfg.BACKBONE.NAME != TIMM:
        return  # makes the backbone that the others begin with
    if cfg.BACKBONE.WEIGHTS and (isinstance(method, TasNet | Prototypes) or cfg.BACKBONE.NAME == TIMM):
        backbone = method.get_submodule("backbone")
        assert isinstance(backbone, Backbone)
        load_backbone(backbone, cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS, download=cfg.BACKBONE.DOWNLOAD)


def require_one_process(method: nn.Module, runtime: Runtime) -> None:
    """Raises InputError: several processes are to share episodes of which each continues the last."""
    if isinstance(method, TasNet) and method.carry_over and runtime.world_size > 1:
        raise InputError(
            f"METHOD.TASNET.CARRY_OVER lets every episode continue the one before it, which {runtime.world_size} "
            "processes cannot share; start one, or switch it off"
        )


def learns_single_pictures(cfg: CfgNode) -> bool:
    """Whether the method is trained on every base picture on its own, not on episodes."""
    return bool(cfg.METHOD.NAME == "base_classifier")
