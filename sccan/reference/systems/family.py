"""What the reference cases of tSF, SpatialFormer, CECNet and AMTNet have in common: one published network for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sccan.backbones.conv4 import Conv4
from sccan.backbones.names import NameTable
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_strict
from sccan.backbones.wide_resnet import WideResNet
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, BaseLogits, BaseTasks, PatchOutputs, TaskSettings
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.reference.cases import Case
from sccan.reference.systems.ways import published_episode

COUNTER = "backbone.layer?.0.num_batches_tracked"
"""A counter of DropBlock that the published ResNet12-BDC does not hold."""
NO_GRADIENT = -1.0


def published_backbone(case: Case) -> Backbone:
    """The backbone of that published name; nothing is dropped, as in every case.

    Raises InputError: unknown name.
    """
    name = case.config["backbone"]
    shapes = {key.removeprefix("base."): shape for key, (shape, _) in case.data["weights"].items()}
    if name == "ResNet12_BDC":
        return PooledResNet12(round_up=False, drop_rate=0.0)
    if name == "wrn28_10":
        return WideResNet(dropout=0.0)
    if name.startswith("conv4"):
        return Conv4(widths=[shapes[f"layer{number}.0.weight"][0] for number in range(1, 5)])
    if name.startswith("resnet12"):
        widths = [shapes[f"layer{number}.0.conv1.weight"][0] for number in range(1, 5)]
        strides = (2, 2, 2, 2) if name == "resnet12" else (1, 2, 2, 2)
        return StridedResNet12(stem=shapes["conv1.weight"][0], widths=widths, strides=strides)
    raise InputError(f"{case.path} is of a backbone {name!r} that is not known")


def last_stage(backbone: Backbone) -> str:
    """Name of the deepest stage."""
    return list(backbone.stages)[-1]


def check_network(case: Case, **own: Any) -> None:
    """Refuses switches of the published network, which all of them share, that lead to what is not computed here.

    Args:
        own: those that decide in this method, with the values that are; the others are off or have no effect.

    Raises InputError: a switch has another value.
    """
    config = case.config
    off = {"neck": "None", "attention": "None", "global_classifier_attention": "None", "class_center": "Mean"}
    config.only(**{**off, "method": "CAN", "emd_metric": False, "using_power_trans": False, **own})
    config.like(norm_layer="^(torchsync)?bn$")  # on one device they are one
    config.aside(*({"metrics_kl", "adaptive_metrics", *UNUSED} - set(own)))
    if config["mode"] == "train":
        config.only(dropout=0, fix_backbone=False)
    config.aside("dropout", "fix_backbone")


UNUSED = (
    "num_queries num_heads palleral_attentions CECM_mode CECM_connect distance_metric CECD_mode attention_pool "
    "relation_dim"
).split()
"""Settings of methods or of networks other than the one at hand."""


def task_settings(config: Mapping[str, Any], **others: Any) -> TaskSettings:
    """The tasks as the published settings say; learned weights are off without rotation, silently."""
    rotation = bool(config["rotation_loss"])
    return TaskSettings(
        rotation=rotation,
        learned_weights=bool(config["global_weighted_loss"]) and rotation,
        floor=config.get("task_loss_min_weight") or 0.0,
        gamma=1.0 if config["using_focal_loss"] else 0.0,
        **others,
    )


def load_published(model: nn.Module, case: Case, names: NameTable) -> None:
    """The case's weights through the name table, strictly."""
    load_strict(model, names.ours(case.weights()), source=case.path.name, excused=(LEARNED_WEIGHTS, COUNTER))


def all_pictures(episode: Episode) -> Tensor:
    """All supports, then all queries, [n, 3, H, W]."""
    images = (episode.support_images, episode.query_images)
    return torch.cat([part.flatten(0, 1) for part in images if part is not None])


PATCH_LOSSES = {"total": "total", "global": "global", "metric": "local", "rotation": "rotation"}
"""Name of a loss in the cases -> ours."""


def run_patch_training(case: Case, model: Any, names: NameTable) -> dict[str, Any]:
    """One training step of a method whose `forward` gives `PatchOutputs`."""
    model.train()
    episode = published_episode(case)
    outputs: PatchOutputs = model(episode)
    tasks: BaseTasks = model.tasks
    losses = tasks.patch_losses(outputs, episode.query_labels, case.tensor("pids"))
    losses["total"].backward()
    return {
        **{f"loss_{name}": losses[key].item() for name, key in PATCH_LOSSES.items() if key in losses},
        "cls_scores": outputs.local_scores.flatten(0, 1),
        "awl_global_grad": None if tasks.weights is None else tasks.weights.scales.grad,
        **base_logits(outputs.base),
        **after_backward(case, model, names),
    }


def base_logits(logits: BaseLogits) -> dict[str, Any]:
    """Under the names of the cases."""
    found = {"ytest": logits.classes.flatten(0, 1)}
    return found if logits.rotations is None else found | {"rotate_scores": logits.rotations.flatten(0, 1)}


def after_backward(case: Case, model: nn.Module, names: NameTable) -> dict[str, Any]:
    """Gradient norms and running statistics that the case asks for."""
    found: dict[str, Any] = {}
    published: dict[str, Any] = names.published(dict(model.named_parameters()))
    buffers = names.published(dict(model.named_buffers()))
    after = {f"after_{name.replace('.', '_')}": value for name, value in buffers.items()}
    for key, output in case.data["outputs"].items():
        if key in after:
            found[key] = after[key].flatten()[: output["shape"][0]]
        if key == "grad_norms":
            asked = output["what"].partition(" of: ")[2].partition(" ; ")[0].split(", ")
            found[key] = [_norm(published.get(name)) for name in asked]
    return found


def _norm(parameter: nn.Parameter | None) -> float:
    """Of its gradient; a published parameter that ours does not have is one that nothing uses."""
    if parameter is None or parameter.grad is None:
        return NO_GRADIENT
    return float(parameter.grad.double().norm())
