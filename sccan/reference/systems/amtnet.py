"""Reference cases of AMTNet: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_strict
from sccan.classification.methods.amtnet import HEAD, PUBLISHED_NAMES, AMTNet, AMTNetOutputs, Regularisation
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from sccan.classification.parts.metric_fusion import PUBLISHED_MOMENTUM
from sccan.episodes.episode import Episode, Features
from sccan.reference.cases import Case, Runner
from sccan.reference.systems.family import (
    after_backward,
    all_pictures,
    base_logits,
    check_network,
    last_stage,
    load_published,
    published_backbone,
    published_episode,
    task_settings,
)

SIZE = (84, 84)
NAMES = ("IMLN", "RelationNet", "RelationNetPlus")
"""Published names of the method, which are one network and differ in training."""


def run_metric(case: Case) -> dict[str, Any]:
    """The metrics alone, on given class maps and query maps."""
    config = case.config
    config.only(method=NAMES, mode=("train", "eval"))
    config.aside("relation_dim")  # of another relation network
    support = case.tensor("support")
    config.agree(way=support.shape[1], feature_size=list(support.shape[2:]))
    channels = support.shape[2]
    backbone = StridedResNet12(stem=4, widths=(4, 4, 4, channels))  # not run: the maps are given
    tasks = TaskSettings(rotation="rotate_classifier.weight" in case.data["weights"], learned_weights=False)
    model = _network(backbone, config, config["backbone_name"], config["scale"], tasks=tasks)
    state = PUBLISHED_NAMES.ours({f"{HEAD}{name}": value for name, value in case.weights().items()})
    load_strict(model, state, source=case.path.name, excused=("backbone.*", LEARNED_WEIGHTS))
    model.to(case.device).train(config["mode"] == "train")
    class_maps, query = (Features({model.stage: maps}, SIZE) for maps in (support, case.tensor("query")))
    lead = class_maps.maps[model.stage].shape[:2]
    ways = torch.arange(lead[1], device=case.device).expand(lead)
    with torch.no_grad():
        classes = model.condition(class_maps, ways)
        if not model.training:
            return {"metric_scores": model.predict(query, classes).flatten(0, 1)}
        labels = ways.new_zeros(len(ways), query.maps[model.stage].shape[1])  # any will do: all pairs share a map
        episode = Episode(None, ways, None, labels, ways, ways[:, 0], class_maps, query)
        outputs = model.training_outputs(query, classes, episode)
    norm = model.metrics.relation.first_norm
    return {
        **_patches(outputs),
        **base_logits(outputs.base),
        "running_mean_after": norm.running_mean,
        "running_var_after": norm.running_var,
    }


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), published_episode(case)
    with torch.inference_mode():
        maps = model.encode(all_pictures(episode)).maps[model.stage]
        return {"metric_scores": model(episode).flatten(0, 1), "backbone": maps}


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients, running statistics and weights of one training step."""
    case.config.only(mode="train", method="IMLN")
    model, episode = _model(case).train(), published_episode(case)
    outputs: AMTNetOutputs = model(episode)
    n_shot = episode.n_shot // episode.classes.shape[1]
    losses = model.losses(outputs, episode.query_labels, case.tensor("pids"), n_shot)
    losses["total"].backward()
    weights, metrics = model.tasks.weights, model.metrics
    divergences = [value.item() for name, value in losses.items() if name.startswith("divergence_")]
    return {
        **{f"loss_{name}": losses[key].item() for name, key in LOSSES.items() if key in losses},
        **{f"loss_kl_{number}": value for number, value in enumerate(divergences)},
        **_patches(outputs),
        **base_logits(outputs.base),
        "awl_metric_grad": metrics.loss_weights.scales.grad,
        "awl_global_grad": None if weights is None else weights.scales.grad,
        "metric_weights_after": torch.cat([metrics.cosine_weight, metrics.euclidean_weight, metrics.relation_weight]),
        **after_backward(case, model, PUBLISHED_NAMES),
    }


LOSSES = {
    "total": "total",
    "global": "global",
    "rotation": "rotation",
    "cosine": "cosine",
    "proto": "euclidean",
    "relation": "relation",
}
"""Name in the cases -> ours."""


def _patches(outputs: AMTNetOutputs) -> dict[str, Tensor]:
    scores = outputs.scores
    return {
        "cos_scores_patch": scores.cosine.flatten(0, 1),
        "prototype_patch": scores.euclidean.flatten(0, 1),
        "relation_scores_patch": scores.relation.flatten(0, 1),
        "metric_scores_patch": outputs.fused.flatten(0, 1),
    }


def _model(case: Case) -> AMTNet:
    check_network(case, method=NAMES, metrics_kl=(True, False), adaptive_metrics=(True, False))
    config, backbone = case.config, published_backbone(case)
    tasks = task_settings(config, fixed_weight=2.0 if config["rotation_loss"] else 1.0)
    regularisation = Regularisation() if config["metrics_kl"] else None
    model = _network(
        backbone, config, config["backbone"], config["scale_cls"], tasks=tasks, regularisation=regularisation
    )
    load_published(model, case, PUBLISHED_NAMES)
    return model.to(case.device)


def _network(backbone: Backbone, config: dict[str, Any], name: str, scale: float, **options: Any) -> AMTNet:
    return AMTNet(
        backbone,
        n_base=config["num_classes"],
        scale=scale,
        adaptive=config["adaptive_metrics"],
        train_fusion=False,
        momentum=PUBLISHED_MOMENTUM,
        patch_vote="conv4" not in name,
        stage=last_stage(backbone),
        **options,
    )


PARTS: dict[str, Runner] = {"metric": run_metric, "model": run_model, "train": run_train}
