"""Methods of few-shot classification from settings: plain tables of constructors and of what a method is known by."""

from __future__ import annotations

from collections.abc import Callable

from yacs.config import CfgNode

from sccan.attention.flow import Flow, solver, three_eighths_step
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.builders.choices import require_divisor
from sccan.builders.classification.backbones import last_stage, map_size
from sccan.builders.classification.family import (
    amtnet_from,
    cecnet_from,
    patch_proto_from,
    spatialformer_from,
    tsf_from,
)
from sccan.builders.classification.frozen import (
    TRAINING_FREE,
    alpha_tim_from,
    laplacian_shot_from,
    logistic_from,
    pt_map_from,
    simple_shot_from,
)
from sccan.builders.classification.tasnet import base_classifier_from, prototypes_from, tasnet_from
from sccan.classification.methods import amtnet, can, cecnet, dmf, patch_proto, prototypes, spatialformer, tasnet, tsf
from sccan.errors import InputError, needs
from sccan.method import Method


def _can(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.CAN, last_stage(backbone)
    if not 0 < node.SHARE <= 1:
        raise InputError(f"METHOD.CAN.SHARE is {node.SHARE}, but a share of the queries lies above 0 and up to 1")
    return can.CAN(
        backbone,
        n_base=n_base,
        map_size=map_size(cfg, backbone),
        hidden=node.HIDDEN or None,
        temperature=node.TEMPERATURE,
        scale=node.SCALE,
        local_weight=node.LOCAL_WEIGHT,
        transductive=node.TRANSDUCTIVE,
        share=node.SHARE,
        stage=stage,
    )


def _dmf(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.DMF, last_stage(backbone)
    channels = backbone.stages[stage].channels
    require_divisor("METHOD.DMF.GROUPS", node.GROUPS, channels)
    if node.FILTER_SIZE < 1 or node.FILTER_SIZE % 2 == 0:
        raise InputError(f"METHOD.DMF.FILTER_SIZE is {node.FILTER_SIZE}, but filters have an odd side of 1 or more")
    return dmf.DMF(
        backbone,
        n_base=n_base,
        groups=node.GROUPS,
        filter_size=node.FILTER_SIZE,
        scrambled_taps=node.SCRAMBLED_TAPS,
        ode=node.ODE,
        flow=_flow(node.SOLVER, node.TOLERANCE) if node.SOLVER else three_eighths_step,
        local_weight=node.LOCAL_WEIGHT,
        stage=stage,
    )


def _flow(method: str, tolerance: float) -> Flow:
    if tolerance <= 0:
        raise InputError(f"METHOD.DMF.TOLERANCE is {tolerance}, but must be above 0")
    try:
        with needs(f"METHOD.DMF.SOLVER {method}", "ode"):
            return solver(method, tolerance)
    except ValueError as error:
        raise InputError(f"METHOD.DMF.SOLVER is {method!r}: {' '.join(str(error).split())}") from error


METHODS: dict[str, Callable[[CfgNode, Backbone, int], Method]] = {
    "alpha_tim": alpha_tim_from,
    "amtnet": amtnet_from,
    "base_classifier": base_classifier_from,
    "can": _can,
    "cecnet": cecnet_from,
    "dmf": _dmf,
    "laplacianshot": laplacian_shot_from,
    "logistic": logistic_from,
    "patchproto": patch_proto_from,
    "prototypes": prototypes_from,
    "pt_map": pt_map_from,
    "simpleshot": simple_shot_from,
    "spatialformer": spatialformer_from,
    "tasnet": tasnet_from,
    "tsf": tsf_from,
}
"""METHOD.NAME -> constructor, given a backbone and the number of base classes."""

NAME_TABLES: dict[str, NameTable] = {
    "amtnet": amtnet.PUBLISHED_NAMES,
    "base_classifier": prototypes.PUBLISHED_NAMES,
    "can": can.PUBLISHED_NAMES,
    "cecnet": cecnet.PUBLISHED_NAMES,
    "dmf": dmf.PUBLISHED_NAMES,
    "patchproto": patch_proto.PUBLISHED_NAMES,
    "prototypes": prototypes.PUBLISHED_NAMES,
    "spatialformer": spatialformer.PUBLISHED_NAMES,
    "tasnet": tasnet.PUBLISHED_NAMES,
    "tsf": tsf.PUBLISHED_NAMES,
    **dict.fromkeys(TRAINING_FREE, NameTable([])),
}
"""METHOD.NAME -> published parameter names."""

CLASSIFIERS: dict[str, str] = {
    "amtnet": "tasks.classifier.weight",
    "base_classifier": "classifier.weight",
    "can": "classifier.weight",
    "cecnet": "tasks.classifier.weight",
    "dmf": "classifier.weight",
    "patchproto": "tasks.classifier.weight",
    "prototypes": "",  # has no base classes
    "spatialformer": "tasks.classifier.weight",
    "tasnet": "word_bias",  # has no base classes; what every checkpoint of it holds
    "tsf": "tasks.classifier.weight",
    **dict.fromkeys(TRAINING_FREE, ""),  # have no base classes
}
"""METHOD.NAME -> the parameter whose rows are the base classes; empty: there is none."""
