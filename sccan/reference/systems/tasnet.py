"""Reference cases of TasNet: which part of ours answers which case.

Weights come under their published names and pass through the same name table as a user's checkpoint. Rows of an
episode are shot-major: row r is of way r mod N, and the first N * K rows are the support set.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import load_strict
from sccan.backbones.wide_resnet_raw import RawShortcutWideResNet
from sccan.classification.methods.prototypes import unit_pixels
from sccan.classification.methods.tasnet import PUBLISHED_NAMES, TasNet, TasNetState, concatenated, fused
from sccan.classification.parts.heads import class_means, euclidean_scores
from sccan.classification.words.learner import FitSettings, WordLearner
from sccan.episodes.episode import Features
from sccan.reference import fill
from sccan.reference.cases import Case, Runner
from sccan.reference.stated import matched
from sccan.reference.systems.tasnet_around import AROUND, CONSTANTS, SHOT_MAJOR, stated_in

RECORDED_THREADS = 2
"""Of the recording of training steps. The order of sums, and so the rounding, depends on the number of threads, and
max-pooling chooses by it: with one thread a single one of 1.4 million choices of ResNet-12 is another (in float64 two),
which moves the first gradient by a thousandth; with the recording's threads it agrees to 1e-6."""
UNIT_ROWS = "rows divided by their L2 norm"
COUNTERS = ("*num_batches_tracked",)


def run_backbone(case: Case) -> dict[str, Any]:
    """The maps of every stage and the pooled features, in eval mode."""
    case.config.only(mode="eval")
    backbone, last = _backbone(case)
    case.config.agree(num_parameters=sum(value.numel() for value in backbone.parameters()))
    load_strict(backbone, case.weights(), source=case.path.name, excused=COUNTERS)
    backbone.to(case.device).eval()
    with torch.inference_mode():
        maps = backbone(case.tensor("images"))
    return {"features": _pooled(maps[last]), **maps}


def run_pretrain_steps(case: Case) -> dict[str, Any]:
    """Steps of base-class training: losses, first gradients, and norms of weights and statistics afterwards."""
    with _threads(RECORDED_THREADS):
        return _pretrain_steps(case)


def _pretrain_steps(case: Case) -> dict[str, Any]:
    case.config.only(mode="train")
    case.config.like(dropout=r"^p=0\b", optimizer=r"^SGD ")
    model, sentence = _PreTraining(case).to(case.device).train(), case.config["optimizer"]
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=_number("lr", sentence),
        momentum=_number("momentum", sentence),
        nesterov="nesterov" in sentence,
        weight_decay=_number("weight_decay", sentence),
    )
    results: dict[str, Any] = {}
    losses = []
    for number in range(sum(name.startswith("images") for name in case.inputs)):
        logits = model(case.tensor(f"images{number}"))
        loss = F.cross_entropy(logits, case.tensor(f"labels{number}"))
        optimizer.zero_grad()
        loss.backward()
        if number == 0:
            results |= {"logits": logits.detach(), "grad_norms": _norms(_named(model, gradients=True), _listed(case))}
        losses.append(loss.item())
        optimizer.step()
    state = model.state_dict()
    running = _listed(case, "running_norms")
    return results | {
        "losses": losses,
        "running_norms": _norms(state, running),
        "weight_norms": _norms(_named(model), _listed(case)),
    }


def run_prototypes(case: Case) -> dict[str, Any]:
    """The prototype baseline: in eval mode with and without unit pixels, and one training step."""
    case.config.like(
        order=SHOT_MAJOR,
        mode=r"^eval for logits and preval_\*, train for train_\*",
        normalisation=r"^logits and train_\*: every image divided .* preval_\*: images as they are",
    )
    backbone, last = _backbone(case)
    load_strict(backbone, _ours(case.weights()), source=case.path.name, excused=COUNTERS)
    backbone.to(case.device)
    way, n_support = case.config["way"], case.config["way"] * case.config["shot"]
    images = case.tensor("images")
    case.config.agree(query=len(images) // way - case.config["shot"])
    labels = torch.arange(len(images), device=images.device) % way

    def scores(pictures: Tensor) -> tuple[Tensor, Tensor]:
        query = _pooled(backbone(pictures[n_support:])[last])[None]  # queries first, in a batch of their own
        support = _pooled(backbone(pictures[:n_support])[last])[None]
        prototypes = class_means(support, labels[None, :n_support], way)
        return euclidean_scores(prototypes, query)[0], (query @ F.normalize(prototypes, dim=-1).transpose(1, 2))[0]

    backbone.eval()
    with torch.no_grad():
        logits, _ = scores(unit_pixels(images))
        distance, similarity = scores(images)
    backbone.train()
    trained, _ = scores(unit_pixels(images))
    loss = F.cross_entropy(trained, labels[n_support:])
    loss.backward()
    gradients = {f"encoder.{name}": value.grad for name, value in backbone.named_parameters()}
    return {
        "logits": logits,
        "preval_distance": distance,
        "preval_similarity": similarity,
        "train_loss": loss.item(),
        "train_logits": trained,
        "grad_norms": _norms(gradients, _listed(case)),
        "eval_loss": F.cross_entropy(logits, labels[n_support:]),
    }


def run_fusion(case: Case) -> dict[str, Any]:
    """Episodes one after another with the fusion head, the word learner carried over."""
    return _episodes(case, fused)


def run_concatenation(case: Case) -> dict[str, Any]:
    """The same with the concatenation head."""
    return _episodes(case, concatenated)


def run_fusion_meta_steps(case: Case) -> dict[str, Any]:
    """Training steps of the visual layer with the fusion head."""
    return _meta_steps(case, fused)


def run_concatenation_meta_steps(case: Case) -> dict[str, Any]:
    """The same with the concatenation head."""
    return _meta_steps(case, concatenated)


def _episodes(case: Case, combine: Callable[[Tensor, Tensor, float], Tensor]) -> dict[str, Any]:
    model, start = _head(case, combine), None
    case.config.only(mode=("train", "eval"))
    case.config.like(outer_steps="^none: ")
    case.config.aside("unused")
    training = case.config["mode"] == "train"
    model.train(training)
    results: dict[str, Any] = {}
    for number in range(sum(name.startswith("features") for name in case.inputs)):
        model.visual.zero_grad()
        logits, labels, state, query = _episode(case, model, number, start)
        start = state.learner
        loss = F.cross_entropy(logits, labels)
        own = {
            "logits": logits,
            "loss": loss,
            "accuracy": (logits.argmax(-1) == labels).float().mean(),
            "inner_losses": state.losses[_recorded_steps(case, number), 0],
            "word_norms": [float(one.norm()) for one in (start.weight, start.bias)],
            "query_words": start(model.vectors(query))[0],
        }
        if training:
            loss.backward()
            gradients = [value.grad for value in (model.visual.weight, model.visual.bias) if value.grad is not None]
            own["grad_norms"] = [float(one.norm()) for one in gradients]
            own["grad_feat_bias"] = gradients[1].clone()
        results |= {f"episode{number}_{name}": value for name, value in own.items()}
    return results


def _meta_steps(case: Case, combine: Callable[[Tensor, Tensor, float], Tensor]) -> dict[str, Any]:
    case.config.only(mode="train")
    case.config.like(outer_optimizer="^Adam on feat_learner only, lr vlr, ")
    model, start = _head(case, combine).train(), None
    sentence = case.config["outer_optimizer"]
    betas = matched(r"betas \(([\d.]+), ([\d.]+)\)", sentence, "outer_optimizer")
    optimizer = torch.optim.Adam(
        model.visual.parameters(),
        lr=case.config["vlr"],
        weight_decay=_number("weight_decay", sentence),
        betas=(float(betas[1]), float(betas[2])),
        eps=_number("eps", sentence),
    )
    recorded: dict[str, list[float]] = {"losses": [], "accuracies": [], "grad_norms": []}
    for number in range(sum(name.startswith("features") for name in case.inputs)):
        logits, labels, state, _ = _episode(case, model, number, start)
        start = state.learner
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        assert model.visual.weight.grad is not None
        recorded["losses"].append(loss.item())
        recorded["accuracies"].append(float((logits.argmax(-1) == labels).float().mean()))
        recorded["grad_norms"].append(float(model.visual.weight.grad.norm()))
        optimizer.step()
    return {**recorded, "feat_bias": model.visual.bias, "feat_weight": model.visual.weight}


def _head(case: Case, combine: Callable[[Tensor, Tensor, float], Tensor]) -> TasNet:
    """The head with the case's weights; the backbone is not run, since features are given."""
    config, weights = case.config, PUBLISHED_NAMES.ours(case.weights())
    config.only(setting=("in", "tran"))
    config.like(feature_normalisation=f"^none$|^{UNIT_ROWS}", order=SHOT_MAJOR)
    unit = config["feature_normalisation"].startswith(UNIT_ROWS)
    word_size, channels = weights["visual.weight"].shape
    concatenation = combine is concatenated
    slow = concatenation and config["dataset"] in ("tiered", "cub")
    model = TasNet(
        PooledResNet12(widths=(4, 4, 4, channels)),
        word_size=word_size,
        combine=combine,
        cosine=config["dataset"] == "cub" or slow,
        visual_share=config["lamda"],
        fit=_published_fit(config["gradlr"], config.get("inner_steps", 100), slow=slow),
        unit_in_training=unit,
        unit_in_evaluation=unit,
        transductive=config["setting"] == "tran",
    ).to(case.device)
    load_strict(model, weights, source=case.path.name, excused=("backbone.*",))
    return model


def _published_fit(rate: float, steps: int, *, slow: bool) -> FitSettings:
    """The published fit of the words; slow for concatenation on tieredImageNet and CUB."""
    if slow:
        return FitSettings(rate=rate, steps=steps, factor=0.5, every=50)
    return FitSettings(rate=rate, steps=steps)


def _recorded_steps(case: Case, number: int) -> list[int]:
    """The steps of the fit whose losses were recorded, ``embedding loss at inner steps 0, 1, 2 (before ...``."""
    sentence = case.data["outputs"][f"episode{number}_inner_losses"]["what"]
    return [int(step) for step in stated_in(r"inner steps ([\d, ]+)", sentence).split(",")]


def _episode(
    case: Case, model: TasNet, number: int, start: WordLearner | None
) -> tuple[Tensor, Tensor, TasNetState, Features]:
    """Logits [Q, N] and labels of an episode, the state and the queries."""
    rows, words = (_class_rows(case, f"{kind}{number}") for kind in ("features", "words"))
    way, n_support = case.config["way"], case.config["way"] * case.config["shot"]
    case.config.agree(query=len(rows) // way - case.config["shot"])
    labels = torch.arange(len(rows), device=rows.device) % way
    support, query = (
        Features({model.stage: part[None, :, :, None, None]}, (84, 84)) for part in (rows[:n_support], rows[n_support:])
    )
    state = model.condition(support, labels[None, :n_support], words=words[None, :way].float(), start=start)
    return model.predict(query, state)[0], labels[n_support:], state, query


def _class_rows(case: Case, name: str) -> Tensor:
    """Rows of made-up features or words, by the rule of their kind."""
    recipe = case.recipe(name)
    n_rows, size = recipe["shape"]
    way, seed = recipe["way"], recipe["seed"]
    if recipe["kind"] == "class_words":
        drawn = fill.generator(name, seed)
        if uniform := re.search(r"uniform\(([\d.-]+), ([\d.-]+),", recipe["rule"]):  # attributes of CUB, percentages
            words = drawn.uniform(float(uniform[1]), float(uniform[2]), (way, size))
        else:
            words = recipe["scale"] * drawn.standard_normal((way, size))
        rows = words[np.arange(n_rows) % way]
    else:
        centres = fill.feature(f"{name}.centre", (way, size), seed)[np.arange(n_rows) % way]
        noise = fill.feature(f"{name}.noise", (n_rows, size), seed)
        rows = (recipe["scale"] * (centres + recipe["spread"] * noise)).astype(np.float32)
    return torch.as_tensor(rows).to(case.device)


def _backbone(case: Case) -> tuple[Backbone, str]:
    """A published backbone and its last stage; dropout as in the cases, which have none."""
    case.config.only(model=tuple(CONSTANTS))
    if case.config["model"] == "res12":
        return PooledResNet12(strides=(2, 2, 2, 2), round_up=False, drop_rate=0), "layer4"
    return RawShortcutWideResNet(dropout=0), "normed"


def _pooled(maps: Tensor) -> Tensor:
    """Means over positions, [n, C], added up as the published average pooling adds them."""
    return F.avg_pool2d(maps, (maps.shape[-2], maps.shape[-1])).flatten(1)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _PreTraining(nn.Module):
    """Encoder and linear classifier."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.encoder, self.last = _backbone(case)
        channels = self.encoder.stage(self.last).channels
        self.pre_fc = nn.Sequential(nn.Linear(channels, case.config["classes"]))
        load_strict(self, case.weights(), source=case.path.name, excused=COUNTERS)

    def forward(self, images: Tensor) -> Tensor:
        return self.pre_fc(_pooled(self.encoder(images)[self.last]))


def _ours(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("backbone."): value for name, value in PUBLISHED_NAMES.ours(weights).items()}


def _named(model: nn.Module, *, gradients: bool = False) -> dict[str, Any]:
    return {name: value.grad if gradients else value for name, value in model.named_parameters()}


def _listed(case: Case, output: str = "grad_norms") -> list[str]:
    """The names that an output stands for, as its description lists them."""
    return json.loads(stated_in(r"(\[.*\])", case.data["outputs"][output]["what"]))


def _norms(tensors: dict[str, Any], names: list[str]) -> list[float]:
    return [float(tensors[name].detach().double().norm()) for name in names]


def _number(name: str, sentence: str) -> float:
    """``weight_decay 5e-4``."""
    return float(stated_in(rf"\b{name} ([\d.]+(?:e-?\d+)?)", sentence))


PARTS: dict[str, Runner] = {
    "backbone": run_backbone,
    "pretrain_steps": run_pretrain_steps,
    "prototype_baseline": run_prototypes,
    "fusion": run_fusion,
    "concat": run_concatenation,
    "fusion_meta_steps": run_fusion_meta_steps,
    "concat_meta_steps": run_concatenation_meta_steps,
    **AROUND,
}
