"""Reference cases of CAN: which part of ours answers which case.

Weights come under their published names and pass through the same name table as a user's checkpoint.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sccan.attention.cross_attention import CrossAttentionModule
from sccan.backbones.resnet12 import StridedResNet12
from sccan.backbones.weights import load_strict
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.classification.data.transforms.random_boxes import erasing_box
from sccan.classification.methods.can import CAN, PUBLISHED_NAMES
from sccan.classification.parts.heads import ways_of
from sccan.episodes.episode import Episode, Features
from sccan.episodes.ways import EpisodeShape, PublishedEpisode, published_episodes
from sccan.reference.cases import Case, Runner
from sccan.reference.stated import matched
from sccan.reference.systems.ways import can_training, local_weight, published_episode

STAGE = "layer4"


def run_backbone(case: Case) -> dict[str, Any]:
    """The backbone alone, in eval mode."""
    case.config.only(mode="eval")
    case.config.like(backbone=r"^resnet12 \(stem \+ 4 strided blocks")
    weights = case.weights()
    backbone = _backbone(weights).to(case.device).eval()
    load_strict(backbone, weights, source=case.path.name)
    with torch.inference_mode():
        return {"features": backbone(case.tensor("images"))[STAGE]}


def run_attention(case: Case) -> dict[str, Any]:
    """The cross attention module alone; its norm in train or eval mode."""
    case.config.only(mode=("train", "eval"))
    class_maps, query_maps = case.tensor("class_features"), case.tensor("query_features")
    published = {f"cam.{name}": value for name, value in case.weights().items()}
    ours = {name.removeprefix("attention."): value for name, value in PUBLISHED_NAMES.ours(published).items()}
    hidden, positions = ours["reduce.weight"].shape[:2]
    module = CrossAttentionModule(positions, hidden=hidden, temperature=case.config["temperature"]).to(case.device)
    load_strict(module, ours, source=case.path.name, excused=())
    module.train(case.config["mode"] == "train")
    with torch.inference_mode():
        class_attention, query_attention = module(class_maps.flatten(-2), query_maps.flatten(-2))  # [B, N, Q, m]
    size = class_maps.shape[-2:]
    class_weights, query_weights = (a.transpose(1, 2).unflatten(-1, size) for a in (class_attention, query_attention))
    return {
        "class_attention": class_attention,
        "query_attention": query_attention,
        "class_attended": class_maps.unsqueeze(1) * class_weights.unsqueeze(3),  # [B, Q, N, C, h, w]
        "query_attended": query_maps.unsqueeze(2) * query_weights.unsqueeze(3),
        "bn_running_mean": module.norm.running_mean,
        "bn_running_var": module.norm.running_var,
        "bn_num_batches_tracked": module.norm.num_batches_tracked,
    }


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    case.config.only(mode="eval")
    episode = published_episode(case, plural=True)
    with torch.inference_mode():
        return {"scores": _model(case, episode).eval()(episode)}


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    case.config.only(mode="train")
    model = _model(case, published_episode(case, plural=True))
    found = can_training(case, model)
    parameters: dict[str, Any] = PUBLISHED_NAMES.published(dict(model.named_parameters()))
    gradients = {name: parameter.grad for name, parameter in parameters.items()}
    return {
        **found,
        "grad_cam_conv1": gradients["cam.conv1.conv.weight"],
        "grad_cam_conv2": gradients["cam.conv2.weight"],
        "grad_stem": gradients["base.conv1.weight"],
        "cam_bn_running_mean": model.attention.norm.running_mean,
        "cam_bn_running_var": model.attention.norm.running_var,
        "base_bn1_running_var": model.backbone.get_buffer("bn1.running_var"),
        **{f"grad_norms.{name}": float(value.double().norm()) for name, value in gradients.items()},
    }


def run_transductive(case: Case) -> dict[str, Any]:
    """Every round of transductive inference on given maps."""
    case.config.only(mode="eval")
    support, query = (case.tensor(f"{name}_features") for name in ("support", "query"))
    labels = case.tensor("support_labels")
    ways = ways_of(labels)
    case.config.agree(way=ways, shot=labels.shape[1] // ways, queries=query.shape[1])
    channels, size = support.shape[2], (support.shape[-2], support.shape[-1])
    backbone = StridedResNet12(stem=4, widths=(4, 4, 4, channels))  # not run: the maps are given
    model = CAN(
        backbone,
        n_base=1,
        map_size=size,
        hidden=case.data["weights"]["cam.conv1.conv.weight"][0][0],
        scale=case.config["scale_cls"],
        transductive=True,
        share=case.config["iter_num_prob"],
        stage=STAGE,
    ).to(case.device)
    load_strict(
        model, PUBLISHED_NAMES.ours(case.weights()), source=case.path.name, excused=("backbone.*", "classifier.*")
    )
    model.eval()
    maps, state_maps = (Features({STAGE: value}, (84, 84)) for value in (query, support))
    with torch.inference_mode():
        state = model.condition(state_maps, labels)
        rounds = list(model.rounds(maps, state))
        final = model.predict(maps, state)
    scores = torch.stack([one.scores[0] for one in rounds])
    chosen = {f"chosen_{number}": one.chosen[0] for number, one in enumerate(rounds) if number}
    return {
        "scores_per_round": scores,
        "predictions_per_round": scores.argmax(-1),
        "final_scores": final[0],
        **chosen,
    }


def run_transforms(case: Case) -> dict[str, Any]:
    """Evaluation transforms, and the rectangles of random erasing."""
    case.config.aside("pillow", "torchvision")
    pictures = {name: case.input(name) for name in ("photo", "small")}
    recorded = {name: output["what"] for name, output in case.data["outputs"].items() if name != "erasing_boxes"}
    erasing = case.config["erasing"]
    height, width = (int(side) for side in erasing["image"].split("x")[1:])
    generator = random.Random(erasing["python_random_seed"])
    boxes = [erasing_box(generator, (height, width), erasing["probability"]) for _ in range(erasing["calls"])]
    return {
        **{name: _described_transform(text)(pictures[_picture_of(text)]) for name, text in recorded.items()},
        "erasing_boxes": np.asarray(boxes),
    }


def _picture_of(sentence: str) -> str:
    """``input photo: ...``."""
    return matched(r"^input (\w+):", sentence, "an output")[1]


def _described_transform(sentence: str) -> FixedTransform:
    """``PIL bilinear resize to 92x92, centre crop 84, ...``; pictures that are not resized have 84 pixels a side."""
    resize = re.search(r"(bilinear|bicubic) resize to (\d+)x(\d+)", sentence)
    crop = re.search(r"centre crop (\d+)", sentence)
    if resize is None:
        return FixedTransform()
    sides = int(resize[2]), int(resize[3])
    return FixedTransform(size=(int(crop[1]),) * 2 if crop else sides, resize=sides, filter=resize[1])


def run_published_episodes(case: Case) -> dict[str, Any]:
    """The fixed test episodes, drawn as Python 2 and as Python 3 draw."""
    config = case.config
    config.like(indices="^class c holds consecutive indices, classes in ascending order, starting at 0$")
    bounds = np.cumsum([0, *config["images_per_class"]])
    per_class = {
        number: np.arange(first, last)
        for number, first, last in zip(config["class_ids"], bounds[:-1], bounds[1:], strict=True)
    }
    results: dict[str, Any] = {}
    checksums: dict[str, list[int]] = {}
    for shot in config["shots"]:
        shape = EpisodeShape(config["way"], shot, config["queries_total"] // config["way"])
        for python in (2, 3):
            drawn = list(
                published_episodes(per_class, shape, n_episodes=config["episodes"], seed=config["seed"], python=python)
            )
            arrays = {name: _pairs(drawn, name) for name in ("support", "query")}
            for name, array in arrays.items():
                recorded = case.data["outputs"].get(f"py{python}_{name}_{shot}shot", {"shape": [0]})
                results[f"py{python}_{name}_{shot}shot"] = array[: recorded["shape"][0]]
                results[f"py{python}_{name}_last_{shot}shot"] = array[-1]
            checksums[f"py{python}_crc32_{shot}shot"] = [zlib.crc32(arrays[name].tobytes()) for name in arrays]
    if "crc32" not in case.facts:
        return results
    return {**results, "facts.crc32": {name: checksums[name] for name in case.facts["crc32"]}}


def _pairs(episodes: list[PublishedEpisode], name: str) -> np.ndarray:
    return np.asarray([getattr(episode, name) for episode in episodes], dtype="<i8")


def _model(case: Case, episode: Episode) -> CAN:
    """The whole network; the size of its maps follows from that of the pictures."""
    weights = case.weights()
    backbone = _backbone({name.removeprefix("base."): value for name, value in weights.items()})
    assert episode.query_images is not None
    stride = backbone.stage(STAGE).stride
    height, width = (-(-side // stride) for side in episode.query_images.shape[-2:])
    model = CAN(
        backbone,
        n_base=case.config["num_classes"],
        map_size=(height, width),
        hidden=len(weights["cam.conv1.conv.weight"]),
        scale=case.config["scale_cls"],
        local_weight=local_weight(case),
        stage=STAGE,
    ).to(case.device)
    load_strict(model, PUBLISHED_NAMES.ours(weights), source=case.path.name, excused=())
    return model


def _backbone(weights: Mapping[str, Tensor]) -> StridedResNet12:
    """As wide as the weights are."""
    widths = [len(weights[f"layer{number}.0.conv1.weight"]) for number in range(1, 5)]
    return StridedResNet12(stem=len(weights["conv1.weight"]), widths=widths)


PARTS: dict[str, Runner] = {
    "backbone": run_backbone,
    "attention": run_attention,
    "model": run_model,
    "train": run_train,
    "transductive": run_transductive,
    "transforms": run_transforms,
    "published_episodes": run_published_episodes,
}
