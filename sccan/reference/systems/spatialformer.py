"""Reference cases of SpatialFormer: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.attention.spatial_former import SpatialFormerUnit, paired_attention
from sccan.backbones.weights import load_strict
from sccan.classification.methods.spatialformer import PUBLISHED_NAMES, TARGET, NovelTask, SpatialFormer
from sccan.classification.parts.novel_task import FineTuning, novel_probabilities, prototype_weights
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

TEMPERATURE = 0.025
TRANSFORMER = {"TSIA": False, "TSCA": False, "TIA": True, "TCA": True}
"""Published name of an attention (SFSA and SFTA) -> whether the message is added as in an ordinary transformer."""


def run_semantic_attention(case: Case) -> dict[str, Any]:
    """SFSA alone, on pairs that are given one by one."""
    case.config.only(kind="SFSA")
    unit = _unit(case, "cross_attention.gnn.", temperature=TEMPERATURE)
    support, query = (_tokens(case.tensor(name)).unsqueeze(1) for name in ("support", "query"))  # [pairs, 1, m, C]
    size = case.tensor("support").shape[-2:]
    with torch.inference_mode():
        found = paired_attention(unit, support, query)
    return {name: _maps(part[:, 0, 0], size) for name, part in zip(("support", "query"), found, strict=True)}


def run_target_attention(case: Case) -> dict[str, Any]:
    """SFTA alone."""
    case.config.only(kind="SFTA")
    unit = _unit(case, "cross_attention.gnn.tsca.")
    maps, reference = case.tensor("feature"), case.tensor("base_class_weight")
    with torch.inference_mode():
        tokens = _tokens(maps)
        message, weights = unit.message(unit.asking(tokens), unit.answering(reference))
        output = _maps(unit(tokens, reference), maps.shape[-2:])
    return {"output": output, "aligned": message.transpose(1, 2), "attention": weights}


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode, without novel-task attention."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), published_episode(case)
    with torch.inference_mode():
        images = model.encode(all_pictures(episode))
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        tokens, size = _tokens(query.maps[model.stage]), images.maps[model.stage].shape[-2:]
        pairs = paired_attention(model.semantic, state.class_tokens, tokens)
        return {
            "metric_scores": model(episode),
            "backbone": images.maps[model.stage],
            "sfta": images.maps[TARGET],
            "pair_support": _maps(pairs[0], size),
            "pair_query": _maps(pairs[1], size),
        }


def run_novel_task(case: Case) -> dict[str, Any]:
    """A test episode with fine-tuning, with the published mistake where it can be made (one shot)."""
    case.config.only(
        mode="eval",
        fine_tune=True,
        novel_classifier="ProtoInitConv1",
        novel2base_feat="ClassWeightAttention",
        novel_metric_classifier=True,
    )
    plain, episode = _model(case).eval(), published_episode(case)
    one_shot = episode.n_shot == episode.classes.shape[1]
    tuning = FineTuning(steps=case.config["fine_tune_steps"])
    task = NovelTask(tuning, add_probabilities=False, supports_for_prototypes=one_shot)
    model = _model(case, task).eval()
    with torch.inference_mode():
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        assert state.novel_weights is not None
        scores = model.predict(query, state)
        start = prototype_weights(
            support.maps[model.stage].flatten(-2), episode.support_labels, episode.classes.shape[1]
        )
        probabilities = novel_probabilities(state.novel_weights, query.maps[model.stage].flatten(-2))
        return {
            "novel_classifier_init": start.flatten(0, 1),
            "novel_classifier_weight": state.novel_weights.flatten(0, 1),
            "plain_scores": plain(episode),
            "novel_probabilities": probabilities.flatten(0, 1),
            "novel_metric_scores": scores.flatten(0, 1),
            "final_scores": (scores + probabilities).flatten(0, 1),
        }


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    case.config.only(mode="train")
    return run_patch_training(case, _model(case), PUBLISHED_NAMES)


def _unit(case: Case, prefix: str, temperature: float | None = None) -> SpatialFormerUnit:
    """An attention that stands alone."""
    config = case.config
    config.only(mode="eval", FFN="MLP", attention_mode=tuple(TRANSFORMER))
    unit = SpatialFormerUnit(
        config["feature_dim"],
        heads=config["num_heads"],
        temperature=temperature,
        transformer=TRANSFORMER.get(config["attention_mode"], False),
    )
    published = {f"{prefix}{name}": value for name, value in case.weights().items()}
    state = {name.removeprefix("semantic."): value for name, value in PUBLISHED_NAMES.ours(published).items()}
    load_strict(unit, state, source=case.path.name, excused=())
    return unit.to(case.device).eval()


def _model(case: Case, novel_task: NovelTask | None = None) -> SpatialFormer:
    check_network(
        case,
        attention=("TSIA", "TIA"),
        global_classifier_attention=("TSCA", "TCA"),
        palleral_attentions=True,
        distance_metric="Cosine",
        attention_pool=1,
    )
    config, backbone = case.config, published_backbone(case)
    model = SpatialFormer(
        backbone,
        n_base=config["num_classes"],
        temperature=TEMPERATURE,
        dropout=0.0,
        scale=config["scale_cls"],
        novel_task=novel_task,
        tasks=task_settings(config),
        stage=last_stage(backbone),
    )
    model.semantic.transformer = TRANSFORMER[config["attention"]]
    model.target.transformer = TRANSFORMER[config["global_classifier_attention"]]
    load_published(model, case, PUBLISHED_NAMES)
    return model.to(case.device)


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(-2).transpose(-1, -2)


def _maps(tokens: Tensor, size: torch.Size) -> Tensor:
    return tokens.transpose(-1, -2).unflatten(-1, size)


PARTS: dict[str, Runner] = {
    "semantic_attention": run_semantic_attention,
    "target_attention": run_target_attention,
    "model": run_model,
    "novel_task_attention": run_novel_task,
    "train": run_train,
}
