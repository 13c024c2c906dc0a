"""tSF, SpatialFormer, CECNet and AMTNet from settings, and what they share: tasks beside the metric."""

from __future__ import annotations

from pathlib import Path

from yacs.config import CfgNode

from sccan.attention.element_connection import CLUSTERS, one_to_many, one_to_one
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_weights
from sccan.builders.choices import require_choice, require_divisor
from sccan.builders.classification.backbones import BACKBONES, backbone_from, bind_neck, last_stage
from sccan.builders.necks import CROSSES, NONE, plug_in, require_cluster
from sccan.classification.methods import amtnet, cecnet, patch_proto, spatialformer, tsf
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.classification.parts.novel_task import FineTuning
from sccan.errors import InputError
from sccan.method import Method

EXCUSED = ("*num_batches_tracked", LEARNED_WEIGHTS)
"""What published checkpoints may lack: they were saved without the learned weights of the losses."""
TAKE_CROSS = ("amtnet", "cecnet", "patchproto", "tsf")
"""Methods in front of whose metric METHOD.CROSS can be put."""


def patch_proto_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    stage = last_stage(backbone)
    return patch_proto.PatchProto(
        backbone,
        n_base=n_base,
        scale=cfg.METHOD.PATCHPROTO.SCALE,
        cross=plug_in(cfg, "CROSS", CROSSES, backbone.stages[stage].channels),
        tasks=_tasks(cfg),
        stage=stage,
    )


def tsf_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.TSF, last_stage(backbone)
    channels = backbone.stages[stage].channels
    require_divisor("METHOD.TSF.HEADS", node.HEADS, channels)
    return tsf.TSF(
        backbone,
        n_base=n_base,
        n_tokens=node.TOKENS,
        heads=node.HEADS,
        dropout=node.DROPOUT,
        scale=node.SCALE,
        cross=plug_in(cfg, "CROSS", CROSSES, channels),
        tasks=_tasks(cfg),
        stage=stage,
    )


def spatialformer_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.SPATIALFORMER, last_stage(backbone)
    require_divisor("METHOD.SPATIALFORMER.HEADS", node.HEADS, backbone.stages[stage].channels)
    if node.SUPPORTS_FOR_PROTOTYPES and cfg.EPISODE.SHOTS != 1:
        raise InputError(
            f"METHOD.SPATIALFORMER.SUPPORTS_FOR_PROTOTYPES works with one shot, but EPISODE.SHOTS is "
            f"{cfg.EPISODE.SHOTS}; leave it False"
        )
    novel_task = spatialformer.NovelTask(
        FineTuning(steps=node.TUNING_STEPS, rate=node.TUNING_RATE),
        add_probabilities=node.ADD_PROBABILITIES,
        supports_for_prototypes=node.SUPPORTS_FOR_PROTOTYPES,
    )
    return spatialformer.SpatialFormer(
        backbone,
        n_base=n_base,
        heads=node.HEADS,
        temperature=node.TEMPERATURE,
        dropout=node.DROPOUT,
        scale=node.SCALE,
        novel_task=novel_task if node.NOVEL_TASK else None,
        tasks=_tasks(cfg),
        stage=stage,
    )


PAIRINGS = {"one_to_one": one_to_one, "one_to_many": one_to_many}
"""METHOD.CECNET.CONNECT -> how class maps and query maps meet."""


def cecnet_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> Method:
    node, stage = cfg.METHOD.CECNET, last_stage(backbone)
    channels = backbone.stages[stage].channels
    require_cluster("METHOD.CECNET.CLUSTER", node.CLUSTER, channels, NONE)
    require_cluster("METHOD.CECNET.DISTANCE", node.DISTANCE, channels, NONE)
    require_choice("METHOD.CECNET.CONNECT", node.CONNECT, PAIRINGS)
    if node.CLUSTER == NONE and node.FINE_TUNING:
        raise InputError(
            "METHOD.CECNET.FINE_TUNING is on maps that are connected with themselves, but METHOD.CECNET.CLUSTER is "
            f"{NONE!r}; switch fine-tuning off or name a cluster"
        )
    if node.CONNECT == "one_to_many" and cfg.METHOD.CROSS != NONE:
        raise InputError(
            f"METHOD.CECNET.CONNECT one_to_many needs query maps that are the same for all classes, but METHOD.CROSS "
            f"{cfg.METHOD.CROSS} makes one for each; change one of the two"
        )
    return cecnet.CECNet(
        backbone,
        cluster=None if node.CLUSTER == NONE else CLUSTERS[node.CLUSTER],
        distance=None if node.DISTANCE == NONE else CLUSTERS[node.DISTANCE],
        pairing=PAIRINGS[node.CONNECT],
        cross=plug_in(cfg, "CROSS", CROSSES, channels),
        n_base=n_base,
        temperature=node.TEMPERATURE,
        scale=node.SCALE,
        fine_tuning=FineTuning(steps=node.TUNING_STEPS, rate=node.TUNING_RATE) if node.FINE_TUNING else None,
        tasks=_tasks(cfg),
        stage=stage,
    )


PATCH_VOTES = ("auto", "always", "never")
"""METHOD.AMTNET.PATCH_VOTE."""


def amtnet_from(cfg: CfgNode, backbone: Backbone, n_base: int) -> amtnet.AMTNet:
    node = cfg.METHOD.AMTNET
    require_choice("METHOD.AMTNET.PATCH_VOTE", node.PATCH_VOTE, PATCH_VOTES)
    stage = last_stage(backbone)
    vote = cfg.BACKBONE.NAME != "conv4" if node.PATCH_VOTE == "auto" else node.PATCH_VOTE == "always"
    return amtnet.AMTNet(
        backbone,
        n_base=n_base,
        scale=node.SCALE,
        adaptive=node.ADAPTIVE,
        train_fusion=node.TRAIN_FUSION,
        patch_vote=vote,
        summed=node.SUMMED,
        momentum=node.MOMENTUM,
        regularisation=amtnet.Regularisation(detached=node.DETACH) if node.DIVERGENCE else None,
        cross=plug_in(cfg, "CROSS", CROSSES, backbone.stages[stage].channels),
        tasks=_tasks(cfg, fixed_weight=2.0 if cfg.METHOD.TASKS.ROTATION else 1.0),
        stage=stage,
    )


def give_teacher(cfg: CfgNode, method: Method, n_base: int) -> None:
    """Let an AMTNet learn from the trained one that METHOD.AMTNET.TEACHER names, if any.

    Raises InputError: it does not exist or does not fit.
    """
    if not isinstance(method, amtnet.AMTNet) or not cfg.METHOD.AMTNET.TEACHER:
        return
    own, node = cfg.BACKBONE.NAME, cfg.METHOD.AMTNET
    name = node.TEACHER_BACKBONE or own
    require_choice("METHOD.AMTNET.TEACHER_BACKBONE", name, BACKBONES)
    teacher = amtnet_from(cfg, backbone_from(cfg, name), n_base)
    bind_neck(teacher, teacher.tasks.classifier)
    load_weights(teacher, Path(node.TEACHER), names=amtnet.PUBLISHED_NAMES, excused=EXCUSED)
    method.teach(teacher, averaged=name != own)


def _tasks(cfg: CfgNode, *, fixed_weight: float = 1.0) -> TaskSettings:
    node, (height, width) = cfg.METHOD.TASKS, cfg.PICTURE.SIZE
    if node.LEARNED_WEIGHTS and not node.ROTATION:
        raise InputError(
            "METHOD.TASKS.LEARNED_WEIGHTS balances the base-class loss with the rotation loss, but "
            "METHOD.TASKS.ROTATION is False; switch both on or both off"
        )
    if node.ROTATION and height != width:
        raise InputError(
            f"PICTURE.SIZE is {height}x{width}, but METHOD.TASKS.ROTATION turns pictures, which must be square; "
            "change one of the two"
        )
    return TaskSettings(
        rotation=node.ROTATION,
        learned_weights=node.LEARNED_WEIGHTS,
        floor=node.FLOOR,
        gamma=node.GAMMA,
        fixed_weight=fixed_weight,
    )
