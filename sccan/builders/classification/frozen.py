"""Methods on frozen vectors from settings: what they share, and the constructors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.builders.choices import require_choice
from sccan.builders.classification.backbones import last_stage
from sccan.classification.methods.alpha_tim import AlphaTIM
from sccan.classification.methods.frozen_vectors import FrozenVectors
from sccan.classification.methods.laplacian_shot import LaplacianShot
from sccan.classification.methods.logistic_shot import LogisticShot
from sccan.classification.methods.pt_map import PTMAP
from sccan.classification.methods.simple_shot import SimpleShot
from sccan.classification.parts.centring import Centre, no_centre, support_centre
from sccan.errors import InputError

CENTRES: Mapping[str, Centre] = {"none": no_centre, "supports": support_centre}
"""METHOD.FROZEN.CENTRE -> what is subtracted from vectors."""
TRAINING_FREE = ("simpleshot", "logistic", "laplacianshot", "alpha_tim", "pt_map")
"""METHOD.NAME of methods that have no checkpoint but the weights of their backbone."""
SEE_ALL_QUERIES = ("laplacianshot", "alpha_tim", "pt_map")
"""Those that look at all pictures of an episode together."""
NEED_BALANCE = ("pt_map",)
"""Those that deal pictures evenly to the classes."""


def simple_shot_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> FrozenVectors:
    """The nearest class mean; the number of base classes plays no part."""
    return SimpleShot(backbone, scale=cfg.METHOD.SIMPLESHOT.SCALE, **_shared(cfg, backbone))


def logistic_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> FrozenVectors:
    """Logistic regression."""
    return LogisticShot(backbone, strength=cfg.METHOD.LOGISTIC.STRENGTH, **_shared(cfg, backbone))


def laplacian_shot_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> FrozenVectors:
    """LaplacianShot."""
    node = cfg.METHOD.LAPLACIANSHOT
    return LaplacianShot(
        backbone,
        pull=node.PULL,
        neighbours=node.NEIGHBOURS,
        rectified=node.RECTIFIED,
        **_shared(cfg, backbone),
    )


def alpha_tim_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> FrozenVectors:
    """alpha-TIM."""
    node = cfg.METHOD.ALPHA_TIM
    return AlphaTIM(
        backbone,
        alpha=node.ALPHA,
        temperature=node.TEMPERATURE,
        steps=node.STEPS,
        rate=node.RATE,
        weights=tuple(node.WEIGHTS),
        **_shared(cfg, backbone),
    )


def pt_map_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> FrozenVectors:
    """PT-MAP."""
    node = cfg.METHOD.PT_MAP
    return PTMAP(backbone, sharpness=node.SHARPNESS, step=node.STEP, rounds=node.ROUNDS, **_shared(cfg, backbone))


def require_balance(cfg: CfgNode, *, balanced: bool, where: str) -> None:
    """Raises InputError: the method deals pictures evenly to the classes, and nobody says that they are so."""
    if cfg.METHOD.NAME in NEED_BALANCE and not balanced:
        raise InputError(
            f"{cfg.METHOD.NAME} deals pictures evenly to the classes, but {where}; choose laplacianshot or alpha_tim, "
            "which do not, or a method that looks at every picture alone"
        )


def _shared(cfg: CfgNode, backbone: Backbone) -> dict[str, Any]:
    node = cfg.METHOD.FROZEN
    require_choice("METHOD.FROZEN.CENTRE", node.CENTRE, CENTRES)
    return {"stages": tuple(node.STAGES) or (last_stage(backbone),), "centre": CENTRES[node.CENTRE]}
