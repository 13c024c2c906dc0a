"""Reference cases of SCCAN: which part of ours answers which case.

Weights come under their published names and pass through the same name table as a user's checkpoint.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sccan.attention.cross_transformer import CrossBlock, CrossTransformer
from sccan.attention.scaled_cosine import ScaledCosineAttention
from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.weights import load_strict
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.reference.cases import Case, Runner
from sccan.reference.systems.segmentation_data import (
    run_evaluate_episode,
    run_sccan_published_episodes,
    run_sccan_val_resize,
)
from sccan.segmentation.methods.sccan import PUBLISHED_NAMES, SCCAN
from sccan.segmentation.parts.heads import ASPP
from sccan.segmentation.parts.losses import dice_loss
from sccan.segmentation.parts.prior import prior_support, softmax_prior
from sccan.segmentation.parts.resize import resize

AnyModule = TypeVar("AnyModule", bound=nn.Module)

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode, with the maps on the way."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), _episode(case)
    with torch.inference_mode():
        support, query = model.encode_episode(episode)
        query = dataclasses.replace(query, image_size=_output_size(model, episode, case.config["zoom_factor"]))
        state = model.condition(support, episode.support_labels)
        prior = model.prior(query, state)
        support_map, mask, prototype = model.support_map(support, model.support_masks(episode.support_labels))
        query_map = model.query_map(query, state, prior)
        transformed, indices = model.transformer.forward_aligned(query_map, state.blocks)
        return {
            "logits": model.predict(query, state)[:, 0],
            "prior": prior[:, 0],
            "prototype": prototype,
            "query_merged": query_map[:, 0],
            "supp_merged": support_map,
            "supp_mask": mask,
            "transformer": transformed[:, 0],
            "index": torch.cat([index.flatten() for index in indices]),
        }


def run_train(case: Case) -> dict[str, Any]:
    """Loss, gradients, and one step of both optimisers."""
    case.config.only(mode="train", dropout2d_p=0.0, zoom_factor=8)
    model = _model(case, feature_dropout=0.0, head_dropout=0.0).train()
    episode, groups = _episode(case), model.parameter_groups()
    settings = {name: _numbers(values) for name, values in case.config["optimizer_step"].items()}
    sgd = torch.optim.SGD(groups["head"], **settings["SGD"])
    adamw = torch.optim.AdamW(groups["transformer"], **settings["AdamW"])

    outputs = model(episode)
    loss = model.loss(outputs, episode)["total"]
    loss.backward()
    parameters: dict[str, Any] = PUBLISHED_NAMES.published(dict(model.named_parameters()))
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    gradients = {name: p.grad.double() for name, p in parameters.items() if p.grad is not None}
    sgd.step()
    adamw.step()
    names = case.config["gradient_names"]
    with torch.no_grad():
        after = model.loss(model(episode), episode)["total"]
    norms = torch.stack([gradient.norm() for gradient in gradients.values()])
    return {
        "loss": loss,
        "grad_norms": torch.stack([gradients[name].norm() for name in names]),
        "grad_norm_total": norms.norm(),
        "step_norms": torch.stack([(parameters[name].detach() - before[name]).double().norm() for name in names]),
        "loss_after_step": after,
        "prediction": outputs[:, 0].argmax(1),
        "facts.no_gradient": [
            name for name in parameters if name not in gradients and not name.startswith("backbone.")
        ],
    }


def run_backbone(case: Case) -> dict[str, Any]:
    """The frozen backbone alone."""
    case.config.only(mode="eval", deep_stem=True, dilation=[False, True, True])
    backbone = _loaded(DeepStemResNet(case.config["layers"]).freeze(), case)
    with torch.inference_mode():
        return backbone(case.tensor("x"))


def run_transformer(case: Case) -> dict[str, Any]:
    """The cross transformer alone, and the alignment of every block."""
    config = case.config
    config.only(mode="eval")
    config.aside("note")
    transformer = CrossTransformer(
        config["dim"],
        depth=config["depth"],
        heads=config["heads"],
        window=config["window"],
        mlp_ratio=config["mlp_ratio"],
    )
    transformer = _loaded(transformer, case).eval()
    height, width = case.tensor("q").shape[-2:]
    config.agree(H=height, W=width)
    with torch.inference_mode():
        state = transformer.condition(case.tensor("s"), case.tensor("s_mask").float())
        out, indices = transformer.forward_aligned(case.tensor("q").unsqueeze(1), state)
    return {"out": out[:, 0], **{f"index{number}": index[:, 0] for number, index in enumerate(indices)}}


def run_block(case: Case) -> dict[str, Any]:
    """One block of the transformer."""
    config = case.config
    config.only(mode="eval")
    config.aside("note")
    block = CrossBlock(
        config["dim"],
        heads=config["heads"],
        window=config["window"],
        shift=config["shift"],
        mlp_ratio=config["mlp_ratio"],
    )
    block, size = _loaded(block, case).eval(), (config["H"], config["W"])
    with torch.inference_mode():
        support, mask = case.tensor("s").unflatten(1, size), case.tensor("s_mask").float()[:, 0]
        state, support = block.condition(support, mask)
        query, index = block(case.tensor("q").unflatten(1, size), state)
    return {"q_out": query.flatten(1, 2), "s_out": support.flatten(1, 2), "index": index[:, 0]}


def run_attention(case: Case) -> dict[str, Any]:
    """Window attention alone: each item of the batch is one window."""
    case.config.only(mode="eval", qkv_bias=True)
    case.config.agree(window=round(case.tensor("q").shape[1] ** 0.5))
    attention = _loaded(ScaledCosineAttention(case.config["dim"], case.config["heads"]), case).eval()
    with torch.inference_mode():
        query = case.tensor("q").unsqueeze(0)
        memory = attention.memory(case.tensor("s").unsqueeze(0)) if "s" in case.inputs else None
        return {"out": attention(query, memory)[0]}


def run_aspp(case: Case) -> dict[str, Any]:
    """The ASPP module alone."""
    with torch.inference_mode():
        return {"out": _loaded(ASPP(case.config["channels"]), case)(case.tensor("x"))}


def run_prior(case: Case) -> dict[str, Any]:
    """The prior mask alone, mean over shots."""
    case.config.aside("note")
    shots = range(case.config["shots"])
    features = torch.stack([case.tensor(f"support{shot}") for shot in shots], dim=1)
    masks = torch.stack([case.tensor(f"mask{shot}").float() for shot in shots], dim=1)
    support = prior_support(features, resize(masks, (features.shape[-2], features.shape[-1])))
    prior = softmax_prior(case.tensor("query").unsqueeze(1), support)[:, 0]  # [B, K, h, w]
    height, width = case.config["output_size"]
    return {"prior": resize(prior.mean(1, keepdim=True), (height, width))}


def run_dice(case: Case) -> dict[str, Any]:
    """The loss alone, with its gradient."""
    case.config.only(eps=1e-8)
    case.config.like(reduction=r"^sum \(over 2B maps, divided by B\)$")
    logits = case.tensor("logits").requires_grad_()
    loss = case.config["weight"] * dice_loss(logits, case.tensor("target"))
    (gradient,) = torch.autograd.grad(loss, logits)
    return {"loss": loss, "grad": gradient, "grad_norm": gradient.double().norm()}


PARTS: dict[str, Runner] = {
    "aspp": run_aspp,
    "attention": run_attention,
    "backbone": run_backbone,
    "block": run_block,
    "dice": run_dice,
    "evaluate_episode": run_evaluate_episode,
    "model": run_model,
    "prior": run_prior,
    "published_episodes": run_sccan_published_episodes,
    "train": run_train,
    "transformer": run_transformer,
    "val_resize": run_sccan_val_resize,
}


def _model(case: Case, **settings: float) -> SCCAN:
    case.config.only(vgg=False)
    case.config.aside("data_set")
    model = SCCAN(DeepStemResNet(case.config["layers"]), **settings)  # type: ignore[arg-type]
    load_strict(model, PUBLISHED_NAMES.ours(case.weights()), source=case.path.name)
    return model.to(case.device)


def _episode(case: Case) -> Episode:
    """Inputs under their published names; cases of evaluation have no query mask."""
    support, query = case.tensor("s_x"), case.tensor("x").unsqueeze(1)
    labels = case.tensor("s_y")
    case.config.agree(shot=labels.shape[1])
    query_labels = case.tensor("y").unsqueeze(1) if "y" in case.inputs else torch.zeros_like(labels[:, :1])
    numbers = torch.arange(len(query))
    return Episode(support, labels, query, query_labels, numbers[:, None], numbers)


def _output_size(model: SCCAN, episode: Episode, zoom: int) -> tuple[int, int]:
    """Size of the published logits: the working grid without zoom, else (S - 1) / 8 * zoom + 1 for either side S."""
    assert episode.query_images is not None
    height, width = episode.query_images.shape[-2:]
    return model.grid if zoom == 1 else (int((height - 1) / 8 * zoom + 1), int((width - 1) / 8 * zoom + 1))


def _loaded(module: AnyModule, case: Case) -> AnyModule:
    """A part of the model with a case's weights; what stands before the part's own names is cut off."""
    case.config.aside("prefix")
    state = PUBLISHED_NAMES.ours(case.weights())
    first = next(iter(module.state_dict()))
    prefix = min((name for name in state if name.endswith(first)), key=len, default=first).removesuffix(first)
    part: dict[str, Tensor] = {name.removeprefix(prefix): value for name, value in state.items()}
    load_strict(module, part, source=case.path.name)
    return module.to(case.device)


def _numbers(settings: dict[str, Any]) -> dict[str, Any]:
    """Optimiser settings whose numbers may be written as arithmetic, ``0.005 * (1 - 10/100)**0.9 * 10``."""
    return {key: _number(value) if isinstance(value, str) else value for key, value in settings.items()}


def _number(text: str) -> float:
    """The value of an arithmetic expression, worked out node by node and never run.

    Raises InputError: anything but numbers, + - * / ** and brackets.
    """

    def value(node: ast.AST) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise InputError(f"{text!r} is no arithmetic expression")

    return value(ast.parse(text, mode="eval").body)
