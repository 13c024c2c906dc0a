"""Reference cases of tSF: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch

from sccan.attention.semantic_filter import SemanticFilter
from sccan.backbones.weights import load_strict
from sccan.classification.methods.tsf import PUBLISHED_NAMES, TSF
from sccan.reference.cases import Case, Runner
from sccan.reference.systems.family import (
    all_pictures,
    check_network,
    last_stage,
    load_published,
    published_backbone,
    published_episode,
    run_patch_training,
    task_settings,
)


def run_neck(case: Case) -> dict[str, Any]:
    """The filter alone."""
    config, prefix = case.config, "neck."
    config.only(mode="eval", FFN="MLP")
    neck = SemanticFilter(config["feature_dim"], n_tokens=config["num_queries"], heads=config["num_heads"])
    published = {f"neck_tSF.{name}": value for name, value in case.weights().items()}
    state = {name.removeprefix(prefix): value for name, value in PUBLISHED_NAMES.ours(published).items()}
    load_strict(neck, state, source=case.path.name, excused=())
    neck.to(case.device).eval()
    maps = case.tensor("feature")
    with torch.inference_mode():
        _, weights = neck.attend(maps.flatten(2).transpose(1, 2))
        # The published one-head branch returns logarithms.
        return {"output": neck(maps), "attention": weights if neck.heads > 1 else weights[:, 0].log()}


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), published_episode(case)
    with torch.inference_mode():
        maps = model.backbone(all_pictures(episode))[model.stage]
        return {"metric_scores": model(episode), "backbone": maps, "neck": model.neck(maps)}


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    case.config.only(mode="train")
    return run_patch_training(case, _model(case), PUBLISHED_NAMES)


def _model(case: Case) -> TSF:
    check_network(case, neck="tSF")
    config, backbone = case.config, published_backbone(case)
    model = TSF(
        backbone,
        n_base=config["num_classes"],
        n_tokens=config["num_queries"]["coarse"],
        heads=config["num_heads"],
        dropout=0.0,
        scale=config["scale_cls"],
        tasks=task_settings(config),
        stage=last_stage(backbone),
    )
    load_published(model, case, PUBLISHED_NAMES)
    return model.to(case.device)


PARTS: dict[str, Runner] = {"neck": run_neck, "model": run_model, "train": run_train}
