"""Reference cases of what stands around TasNet's networks: its functions, words, pictures and episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.classification.evaluation.accuracy import mean_and_interval
from sccan.classification.parts.clusters import drawn_prototypes
from sccan.classification.parts.heads import class_means, cosine_scores, euclidean_scores
from sccan.classification.words.classes import cifar_words, class_vectors, mini_words, tiered_words
from sccan.classification.words.learner import word_loss
from sccan.episodes.shot_major import shot_major_episodes
from sccan.reference import fill
from sccan.reference.cases import Case, Runner
from sccan.reference.pictures import byte_picture
from sccan.reference.stated import matched

SHOT_MAJOR = "shot-major"
CONSTANTS = {"res12": "miniimagenet", "wrn28": "imagenet"}


def run_functions(case: Case) -> dict[str, Any]:
    """Distances, cosines, losses, means, and the accuracy with its interval."""
    query, proto, features, centres = (case.tensor(n) for n in ("query", "proto", "features", "cluster_centres"))
    way = case.config["way"]
    labels = case.tensor("labels")
    euclidean = euclidean_scores(proto[None], query[None])[0]
    means = class_means(features[None], labels[None], way)[0]
    recipe = case.recipe("accuracies")
    drawn = fill.generator("accuracies", recipe["seed"]).uniform(recipe["low"], recipe["high"], recipe["shape"])
    return {
        "euclidean": euclidean,
        "cosine": cosine_scores(proto[None], query[:, None], 1.0),
        "emb_loss": word_loss(query[:way], proto),
        "class_means": means,
        "updated_prototypes": drawn_prototypes(means, centres),
        "accuracy": (euclidean.argmax(-1) == case.tensor("query_labels")).float().mean(),
        "interval": mean_and_interval(drawn),
    }


def run_label_embeddings(case: Case) -> dict[str, Any]:
    """Words of class names, per data set."""
    recipe = case.recipe("glove")
    size = int(stated_in(r"standard_normal\((\d+)\)", recipe["rule"]))
    vocabulary = {
        word: fill.generator(f"glove.{word}", recipe["seed"]).standard_normal(size)
        for word in case.config["vocabulary"]
    }
    kinds = {"mini": ("miniImageNet", mini_words), "tiered": ("tieredImageNet", tiered_words)}
    kinds |= {"cifar": ("CIFAR", cifar_words)}
    return {
        f"f64_{name}": class_vectors(case.config[listed], vocabulary, words, zero_unknown=name == "mini")
        for name, (listed, words) in kinds.items()
        if listed in case.config
    }


def run_eval_transform(case: Case) -> dict[str, Any]:
    """Enlarged and cut (published: to 92, to 84), with the constants of either backbone."""
    case.config.like(interpolation="^bilinear with antialiasing")
    case.config.aside("torchvision", "pillow")
    recipe = case.recipe("pictures")
    count, height, width, channels = recipe["shape"]
    drawn = fill.image("pictures", (count, channels, height, width), recipe["seed"])
    pictures = byte_picture(drawn, recipe["rule"], "input 'pictures'")
    sides = matched(r"resize (\d+), centre crop (\d+)", case.data["what"], case.path.name)
    larger, side = int(sides[1]), int(sides[2])
    results = {}
    for name in case.config["backbones"]:
        transform = FixedTransform((side, side), resize=(larger,), filter="bilinear", constants=CONSTANTS[name])
        results[name] = torch.stack([transform(picture) for picture in pictures])
    return results


def run_sampler(case: Case) -> dict[str, Any]:
    """The published sampler from torch's generator."""
    config = case.config
    config.like(order=SHOT_MAJOR)
    recipe = case.recipe("permutation")
    rule = matched(r"permutation\(repeat\(arange\((\d+)\), (\d+)\)\)", recipe["rule"], "input 'permutation'")
    rows = np.repeat(np.arange(int(rule[1])), int(rule[2]))
    labels = fill.generator("permutation", recipe["seed"]).permutation(rows)
    episodes = shot_major_episodes(
        torch.from_numpy(labels),
        n_episodes=config["n_batch"],
        n_way=config["n_cls"],
        per_class=config["n_per"],
        generator=torch.Generator().manual_seed(int(stated_in(r"manual_seed\((\d+)\)", config["seed"]))),
    )
    return {"indices": torch.stack(list(episodes))}


def stated_in(pattern: str, text: str) -> str:
    """What a sentence of a case states: the first group of a pattern.

    Raises InputError: see `matched`.
    """
    return matched(pattern, text, "a sentence of the case")[1]


AROUND: dict[str, Runner] = {
    "functions": run_functions,
    "label_embeddings": run_label_embeddings,
    "eval_transform": run_eval_transform,
    "sampler": run_sampler,
}
