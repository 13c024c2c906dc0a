"""Reference cases of CECNet: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.attention.element_connection import (
    CLUSTERS,
    ElementConnection,
    ElementFilter,
    PatchCluster,
    one_to_many,
    one_to_one,
)
from sccan.attention.pairs import apart
from sccan.backbones.weights import load_strict
from sccan.classification.methods.cecnet import FILTER_NAMES, PUBLISHED_NAMES, CECNet
from sccan.classification.parts.heads import map_tokens
from sccan.reference.cases import Case, Runner
from sccan.reference.systems.family import (
    all_pictures,
    last_stage,
    load_published,
    published_backbone,
    published_episode,
    run_patch_training,
    task_settings,
)


def run_element_connection(case: Case) -> dict[str, Any]:
    """CECM, or the neck CECE, alone."""
    if case.config["kind"] == "CECE":
        return _run_filter(case)
    connection = ElementConnection(_cluster(case)).to(case.device).eval()
    support, query = (case.tensor(name).transpose(1, 2) for name in ("support", "query"))  # [B, n, c]
    with torch.inference_mode():
        if case.config["layers"] == ["self"]:
            pairs = [connection(part, part) for part in (support, query)]
            maps, relations = [pair.weighted()[0] for pair in pairs], [pair.left_relation for pair in pairs]
        else:
            pair = connection(support, query)
            maps, relations = list(pair.weighted()), [pair.left_relation, pair.right_relation]
    return {
        "support": maps[0].transpose(1, 2),
        "query": maps[1].transpose(1, 2),
        "relation_map_support": relations[0],
        "relation_map_query": relations[1],
    }


def run_distance(case: Case) -> dict[str, Any]:
    """CECD alone."""
    cluster = _cluster(case).to(case.device).eval()
    support, query = (case.tensor(name).transpose(1, 2) for name in ("support", "query"))
    with torch.inference_mode():
        return {"scores": case.config["scale"] * cluster.relation(query, support)}


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    model, episode = _model(case).eval(), published_episode(case)
    with torch.inference_mode():
        maps = model.encode(all_pictures(episode)).maps[model.stage]
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        tokens = map_tokens(query.maps[model.stage])
        assert model.connection is not None
        pairs = model.pairing(model.connection, apart(state.class_tokens, tokens))
        classes, queries = pairs.weighted()
        return {
            "metric_scores": model(episode),
            "backbone": maps,
            "pair_support": _maps(classes, maps),
            "pair_query": _maps(queries.expand_as(classes), maps),
            "relation_map_ftrain": pairs.left_relation.unflatten(-1, maps.shape[-2:]),
            "relation_map_ftest": pairs.right_relation.expand_as(pairs.left_relation).unflatten(-1, maps.shape[-2:]),
        }


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    return run_patch_training(case, _model(case), PUBLISHED_NAMES)


def _run_filter(case: Case) -> dict[str, Any]:
    channels, weights = case.config["feature_dim"], case.weights()
    cluster = CLUSTERS[case.config["patch_cluster"].lower()](channels)
    neck = ElementFilter(cluster, channels, n_tokens=len(weights["query_embed.weight"]))
    load_strict(neck, FILTER_NAMES.ours(weights), source=case.path.name, excused=())
    with torch.inference_mode():
        return {"output": neck.to(case.device).eval()(case.tensor("feature"))}


def _cluster(case: Case) -> PatchCluster:
    """The patch cluster of a module that stands alone."""
    cluster = CLUSTERS[case.config["patch_cluster"].lower()](case.config["feature_dim"])
    published = {f"cross_attention.gnn.{name}": value for name, value in case.weights().items()}
    ours = PUBLISHED_NAMES.ours(published)
    state = {name.removeprefix("connection.cluster."): value for name, value in ours.items()}
    load_strict(cluster, state, source=case.path.name, excused=())
    return cluster


def _model(case: Case) -> CECNet:
    config, backbone = case.config, published_backbone(case)
    model = CECNet(
        backbone,
        cluster=CLUSTERS[config["CECM_mode"].lower()],
        distance=CLUSTERS[config["CECD_mode"].lower()] if config["distance_metric"] == "CECD" else None,
        pairing=one_to_one if config["CECM_connect"] == "one2one" else one_to_many,
        n_base=config["num_classes"],
        scale=config["scale_cls"],
        tasks=task_settings(config),
        stage=last_stage(backbone),
    )
    load_published(model, case, PUBLISHED_NAMES)
    return model.to(case.device)


def _maps(tokens: Tensor, like: Tensor) -> Tensor:
    return tokens.transpose(-1, -2).unflatten(-1, like.shape[-2:])


PARTS: dict[str, Runner] = {
    "element_connection": run_element_connection,
    "distance": run_distance,
    "model": run_model,
    "train": run_train,
}
