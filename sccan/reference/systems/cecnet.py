"""Reference cases of CECNet: which part of ours answers which case."""

from __future__ import annotations

from collections.abc import Callable
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
from sccan.errors import InputError
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

PAIRINGS = {"one2one": one_to_one, "one2many": one_to_many}


def run_element_connection(case: Case) -> dict[str, Any]:
    """CECM, or the neck CECE, alone."""
    case.config.only(kind=("CECE", "CECM"), mode="eval", layers=(["cross"], ["self"]))
    case.config.aside("scale")  # of the distance
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
    case.config.only(kind="CECD", mode="eval", layers=(["cross"],))
    cluster = _cluster(case).to(case.device).eval()
    support, query = (case.tensor(name).transpose(1, 2) for name in ("support", "query"))
    with torch.inference_mode():
        return {"scores": case.config["scale"] * cluster.relation(query, support)}


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), published_episode(case)
    with torch.inference_mode():
        maps = model.encode(all_pictures(episode)).maps[model.stage]
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        tokens = map_tokens(query.maps[model.stage])
        found = {"metric_scores": model(episode), "backbone": maps}
        if model.connection is None:
            return found
        pairs = model.pairing(model.connection, apart(state.class_tokens, tokens))
        classes, queries = pairs.weighted()
        return {
            **found,
            "pair_support": _maps(classes, maps),
            "pair_query": _maps(queries.expand_as(classes), maps),
            "relation_map_ftrain": pairs.left_relation.unflatten(-1, maps.shape[-2:]),
            "relation_map_ftest": pairs.right_relation.expand_as(pairs.left_relation).unflatten(-1, maps.shape[-2:]),
        }


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    case.config.only(mode="train")
    return run_patch_training(case, _model(case), PUBLISHED_NAMES)


def _run_filter(case: Case) -> dict[str, Any]:
    channels, weights = case.config["feature_dim"], case.weights()
    cluster = _kind(case, "patch_cluster")(channels)
    neck = ElementFilter(cluster, channels, n_tokens=len(weights["query_embed.weight"]))
    load_strict(neck, FILTER_NAMES.ours(weights), source=case.path.name, excused=())
    with torch.inference_mode():
        return {"output": neck.to(case.device).eval()(case.tensor("feature"))}


def _cluster(case: Case) -> PatchCluster:
    """The patch cluster of a module that stands alone."""
    cluster = _kind(case, "patch_cluster")(case.config["feature_dim"])
    published = {f"cross_attention.gnn.{name}": value for name, value in case.weights().items()}
    ours = PUBLISHED_NAMES.ours(published)
    state = {name.removeprefix("connection.cluster."): value for name, value in ours.items()}
    load_strict(cluster, state, source=case.path.name, excused=())
    return cluster


def _model(case: Case) -> CECNet:
    check_network(
        case,
        attention=("CECM", "None"),
        CECM_connect=tuple(PAIRINGS),
        distance_metric=("CECD", "Cosine"),
        attention_pool=1,
    )
    config, backbone = case.config, published_backbone(case)
    model = CECNet(
        backbone,
        cluster=_kind(case, "CECM_mode") if config["attention"] == "CECM" else None,
        distance=_kind(case, "CECD_mode") if config["distance_metric"] == "CECD" else None,
        pairing=PAIRINGS[config["CECM_connect"]],
        n_base=config["num_classes"],
        scale=config["scale_cls"],
        tasks=task_settings(config),
        stage=last_stage(backbone),
    )
    load_published(model, case, PUBLISHED_NAMES)
    return model.to(case.device)


def _kind(case: Case, name: str) -> Callable[[int], PatchCluster]:
    """The patch cluster that a setting names."""
    kind = str(case.config[name]).lower()
    if kind not in CLUSTERS:
        raise InputError(f"{case.path.name} states {name} {case.config[name]!r}; known are {', '.join(CLUSTERS)}")
    return CLUSTERS[kind]


def _maps(tokens: Tensor, like: Tensor) -> Tensor:
    return tokens.transpose(-1, -2).unflatten(-1, like.shape[-2:])


PARTS: dict[str, Runner] = {
    "element_connection": run_element_connection,
    "distance": run_distance,
    "model": run_model,
    "train": run_train,
}
