"""Reference cases of DMF: which part of ours answers which case.

Weights come under their published names and pass through the same name table as a user's checkpoint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sccan.attention.meta_filter import MetaFilter, filter_response, position_taps
from sccan.backbones.dropblock import block_mask, scaled
from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.backbones.weights import load_strict
from sccan.classification.methods.dmf import DMF, PUBLISHED_NAMES
from sccan.engine.optimizers import OptimizerSettings, rate
from sccan.reference.cases import Case, Runner
from sccan.reference.systems.ways import can_training, local_weight, published_episode

STAGE = "layer4"
THREE_EIGHTHS = r"^rk4 \(one 3/8-rule step from 0 to 1\)$"
MINIMUM = 1e-5
"""Lowest share of the rate, of which cases say nothing."""


def run_backbone(case: Case) -> dict[str, Any]:
    """The backbone alone, in eval mode, where nothing is dropped."""
    case.config.only(mode="eval")
    case.config.aside("drop_rate", "drop_block", "dropblock_size")
    backbone = PooledResNet12(count_evaluation=True).to(case.device).eval()
    load_strict(backbone, case.weights(), source=case.path.name, excused=())
    with torch.inference_mode():
        return {"features": backbone(case.tensor("images"))[STAGE]}


def run_dropblock(case: Case) -> dict[str, Any]:
    """Mask and output of DropBlock for given seeds; a drawn 0 is a seed."""
    case.config.only(mode="train")
    maps, seeds = case.tensor("x"), case.tensor("seed_draw") == 0
    mask = block_mask(seeds, case.config["block_size"])
    return {"y": scaled(maps, mask), "block_mask": mask}


def run_meta_filter(case: Case) -> dict[str, Any]:
    """Offsets, filter, filtered maps and gradients of given pairs of maps."""
    case.config.only(dilation=1)
    case.config.like(ode_method=THREE_EIGHTHS)
    module = MetaFilter(
        case.config["channels"], groups=case.config["groups"], size=case.config["kernel"], scrambled=True
    ).to(case.device)
    weights = PUBLISHED_NAMES.ours(case.weights())
    ours = {name.removeprefix("meta_filter."): value for name, value in weights.items()}
    load_strict(module, ours, source=case.path.name, excused=())
    support, query = (case.tensor(name).requires_grad_() for name in ("support", "query"))
    classes = module.prepare(support.unsqueeze(1))  # each pair is an episode of one class and one query
    offsets = module.offsets(classes, query.unsqueeze(1))
    filters = module.filters(classes, offsets)
    values = filters[:, 0, :, 0]
    taps = values.flatten(2).unflatten(1, (module.groups, -1))
    state = module.filtered(query.unsqueeze(1), filters)[:, 0, 0]
    (state * case.tensor("cotangent")).sum().backward()
    gradients = {name: value.grad for name, value in _published(module, "meta_filter.").items()}
    return {
        "offset": offsets[:, 0, 0],
        "filter": values,
        "applied_once": filter_response(query, position_taps(taps, scrambled=True)),
        "ode": state,
        "grad_query": query.grad,
        "grad_support": support.grad,
        **_norms(gradients),
    }


def run_model(case: Case) -> dict[str, Any]:
    """The full model in eval mode."""
    case.config.only(mode="eval")
    model, episode = _model(case).eval(), published_episode(case, plural=True)
    with torch.inference_mode():
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        return {
            "scores": model.predict(query, state).flatten(0, 1),
            "score_maps": model.score_maps(query, state).flatten(0, 1),
        }


def run_train(case: Case) -> dict[str, Any]:
    """Outputs, losses, gradients and running statistics of one training step."""
    case.config.only(mode="train", drop_rate=0.0)
    model = _model(case, drop_rate=0.0)
    found = can_training(case, model)
    gradients = {name: value.grad for name, value in _published(model).items()}
    return {
        **found,
        "grad_offset_conv": gradients["dw_gen.off_conv.weight"],
        "grad_kernel_conv": gradients["dw_gen.kernel_conv.weight"],
        "grad_layer1_conv1": gradients["base.layer1.0.conv1.weight"],
        "layer4_bn3_running_mean": model.backbone.get_buffer("layer4.0.bn3.running_mean"),
        "layer4_bn3_running_var": model.backbone.get_buffer("layer4.0.bn3.running_var"),
        **_norms(gradients),
    }


def run_lr_schedule(case: Case) -> dict[str, Any]:
    """The rates of the steps that the record lists (counted from 0)."""
    config = case.config
    config.aside("total_epochs_run")  # how many steps are listed
    steps = next(want for name, want, _, _ in case.expected() if name == "step")
    settings = OptimizerSettings(
        lr=config["base_lr"],
        schedule="cosine",
        warmup_steps=config["warmup_epochs"] * config["iterations_per_epoch"],
        warmup_start=0.0,
        minimum=MINIMUM,
    )
    total = config["max_epoch_given_to_scheduler"] * config["iterations_per_epoch"]
    return {"step": steps, "lr": np.asarray([rate(settings, int(step) + 1, total) for step in steps])}


def _model(case: Case, drop_rate: float = 0.1) -> DMF:
    config = case.config
    model = DMF(
        PooledResNet12(drop_rate=drop_rate, count_evaluation=True),
        n_base=config["num_classes"],
        groups=config["groups"],
        filter_size=config["kernel"],
        scrambled_taps=True,
        local_weight=local_weight(case),
        stage=STAGE,
    ).to(case.device)
    load_strict(model, PUBLISHED_NAMES.ours(case.weights()), source=case.path.name, excused=())
    return model


def _published(module: torch.nn.Module, prefix: str = "") -> dict[str, Any]:
    """Parameters under their published names."""
    return dict(PUBLISHED_NAMES.published({f"{prefix}{name}": value for name, value in module.named_parameters()}))


def _norms(gradients: dict[str, Any]) -> dict[str, Any]:
    return {f"grad_norms.{name}": float(value.double().norm()) for name, value in gradients.items()}


PARTS: dict[str, Runner] = {
    "backbone": run_backbone,
    "dropblock": run_dropblock,
    "meta_filter": run_meta_filter,
    "model": run_model,
    "train": run_train,
    "lr_schedule": run_lr_schedule,
}
