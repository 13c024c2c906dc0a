"""Reference cases of BAM: which part of ours answers which case.

Weights come under their published names and pass through the same name tables as a user's checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.deep_stem import BAM_DILATIONS, DeepStemResNet
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.backbones.vgg import VGG16
from sccan.backbones.weights import load_strict
from sccan.episodes.episode import Episode
from sccan.reference.cases import Case, Runner
from sccan.segmentation.evaluation.generalised import MERGES
from sccan.segmentation.evaluation.iou import count_labels
from sccan.segmentation.evaluation.scoring import on_square
from sccan.segmentation.methods import bam, pspnet
from sccan.segmentation.methods.bam import BAM, BAMState
from sccan.segmentation.methods.pspnet import PSPNet
from sccan.segmentation.parts.heads import PyramidHead
from sccan.segmentation.parts.pixel_batch import PixelBatch
from sccan.segmentation.parts.resize import resize

NO_CLASS = 0
"""Class number of an episode whose class is none of the base learner's."""


def run_base_model(case: Case) -> dict[str, Any]:
    """The base learner in eval mode."""
    case.config.only(mode="eval")
    case.config.aside("dropout")
    model, images = _pspnet(case).eval(), case.tensor("image")
    with torch.inference_mode():
        encoder = model.backbone(images)[model.stage]
        return {"encoder": encoder, "logits": _zoomed(model.classifier(encoder), images, case)}


def run_base_train(case: Case) -> dict[str, Any]:
    """Loss, gradients and running statistics of the base learner in train mode."""
    case.config.only(dropout=0.0)
    case.config.like(mode=r"^train \(batch-norm uses batch statistics")
    model = _pspnet(case, dropout=0.0).train()
    batch = PixelBatch(case.tensor("image"), case.tensor("target"))
    low = model.classifier(model.backbone(batch.images)[model.stage])
    logits = _zoomed(low, batch.images, case)
    loss = model.loss(logits, batch)["total"]
    loss.backward()
    buffers = pspnet.PUBLISHED_NAMES.published(dict(model.named_buffers()))
    return {
        "logits_low": low,
        "loss": loss,
        "prediction_histogram": _histogram(logits),
        **_gradient_norms(pspnet.PUBLISHED_NAMES, model),
        **_norms("running_statistics_after_forward", buffers.items()),
    }


def run_meta_model(case: Case) -> dict[str, Any]:
    """The meta learner and the ensemble in eval mode."""
    case.config.only(mode="eval")
    case.config.aside("dropout")
    model, episode = _bam(case).eval(), _episode(case)
    with torch.inference_mode():
        return _evidence(model, episode) | _answers(model, episode, case)


def run_meta_train(case: Case) -> dict[str, Any]:
    """Losses and gradients of meta training, without dropout."""
    case.config.only(dropout=0.0)
    case.config.like(mode=r"^train \(all batch-norms in eval mode")
    case.config.aside("zoom_factor")  # the loss compares at the size of the label
    model, episode = _bam(case).train(), _episode(case)
    outputs = model(episode)
    losses = model.loss(outputs, episode)
    losses["total"].backward()
    with torch.no_grad():
        evidence = _evidence(model, episode)
    return evidence | {
        "main_loss": losses["final"],
        "aux_loss_meta": losses["meta"],
        "aux_loss_base": losses["base"],
        "loss": losses["total"],
        "prediction_histogram": _histogram(outputs.final[:, 0]),
        **_gradient_norms(bam.PUBLISHED_NAMES, model),
    }


def run_gfss_merge(case: Case) -> dict[str, Any]:
    """Label padded to a square, answers stretched over it, merged and counted."""
    case.config.only(merge=tuple(MERGES), ori_resize=True)
    case.config.agree(base_classes_with_background=case.tensor("base_logits").shape[1])
    case.config.aside("data_set")
    label = case.tensor("label")[0]
    height, width = label.shape
    side = max(height, width)
    target = F.pad(label, (0, side - width, 0, side - height), value=255)
    final, base = (on_square(case.tensor(f"{name}_logits")[0], (height, width)) for name in ("final", "base"))
    merged = MERGES[case.config["merge"]](final, base, case.config["merge_tau"])
    counts = count_labels(merged, target, len(base) + 1)
    return {
        "merged": merged[None],
        "intersection": counts.intersection,
        "union": counts.union,
        "target": counts.target,
    }


PARTS: dict[str, Runner] = {
    "base_model": run_base_model,
    "base_train": run_base_train,
    "gfss_merge": run_gfss_merge,
    "meta_model": run_meta_model,
    "meta_train": run_meta_train,
}


def _pspnet(case: Case, dropout: float = 0.1) -> PSPNet:
    case.config.aside("shot", "low_fea", "kshot_trans_dim")  # of the meta learner
    model = PSPNet(_backbone(case, nn.BatchNorm2d), case.config["classes"], dropout=dropout)
    load_strict(model, pspnet.PUBLISHED_NAMES.ours(case.weights()), source=case.path.name)
    return model.to(case.device)


def _bam(case: Case, dropout: float = 0.0) -> BAM:
    """The model of a case, dropout alike everywhere; base classes are numbered as the base learner's outputs are."""
    config, weights = case.config, case.weights()
    backbone = _backbone(case, FrozenBatchNorm2d)
    n_labels = len(weights["learner_base.1.4.bias"])
    model = BAM(
        backbone,
        PyramidHead(
            backbone.stage("layer4").channels,
            n_labels,
            dropout=dropout,
            norm_layer=FrozenBatchNorm2d,
        ),
        range(1, n_labels),
        n_shot=config["shot"],
        scene_stage=f"layer{config['low_fea'][-1]}",
        shot_channels=config["kshot_trans_dim"],
        meta_weight=config["aux_weight1"],
        base_weight=config["aux_weight2"],
        feature_dropout=dropout,
        head_dropout=dropout,
    )
    load_strict(model, bam.PUBLISHED_NAMES.ours(weights), source=case.path.name)
    return model.to(case.device)


def _backbone(case: Case, norm_layer: Any) -> Backbone:
    case.config.only(ignore_label=255)
    case.config.aside("data_set", "split", "print_freq", "layers")
    if case.config["vgg"]:
        return VGG16(norm_layer=norm_layer)
    return DeepStemResNet(case.config["layers"], norm_layer=norm_layer, dilations=BAM_DILATIONS)


def _episode(case: Case) -> Episode:
    """Inputs under their recorded names.

    The published model leaves the episode's class out of the base map in training on base classes only.
    """
    support, query = case.tensor("support"), case.tensor("query").unsqueeze(1)
    labels = case.tensor("support_mask")
    case.config.only(cls_type=("Base", "Novel"))
    case.config.agree(shot=labels.shape[1])
    leaves_out = case.config["cls_type"] == "Base" and case.config["mode"].startswith("train")
    classes = case.tensor("class_index") + 1 if leaves_out else torch.full((len(query),), NO_CLASS).to(query.device)
    target = case.tensor("target").unsqueeze(1) if "target" in case.inputs else torch.zeros_like(labels[:, :1])
    base_target = case.tensor("base_target").unsqueeze(1) if "base_target" in case.inputs else None
    numbers = torch.arange(len(query))
    return Episode(support, labels, query, target, classes[:, None], numbers, query_base_labels=base_target)


def _evidence(model: BAM, episode: Episode) -> dict[str, Any]:
    """What was recorded on the way to the answers."""
    state, query = _state(model, episode), model.encode_episode(episode)[1]
    evidence = model.evidence(query, state)
    meta = model.meta_logits(query, evidence)
    size = (meta.shape[-2], meta.shape[-1])
    ascending = evidence.difference.sort(-1).values
    found = {
        "prior": evidence.prior[:, 0],
        "prototype": evidence.prototype[:, 0],
        "difference_factor": evidence.factor[:, 0],
        "meta_soft_bg": meta[:, 0].softmax(1)[:, :1],
        "base_map": model.base_map(model.base_logits(query), state, size)[:, 0],
        "shot_difference_sorted": ascending[:, 0],
    }
    if model.shot_weights is not None:
        found["shot_weight_logits_sorted"] = model.shot_weights.logits(ascending)[:, 0]
    return found


def _answers(model: BAM, episode: Episode, case: Case) -> dict[str, Any]:
    answers = model.answers(model.encode_episode(episode)[1], _state(model, episode))
    assert episode.query_images is not None
    assert answers.base is not None
    named = {"final": answers.final, "meta": answers.meta, "base": answers.base}
    return {name: _zoomed(maps[:, 0], episode.query_images, case) for name, maps in named.items()}


def _state(model: BAM, episode: Episode) -> BAMState:
    support, _ = model.encode_episode(episode)
    return model.condition(support, episode.support_labels).of_classes(episode.classes)


def _zoomed(maps: Tensor, images: Tensor, case: Case) -> Tensor:
    """Maps at the published output size: unchanged at zoom 1, else (S - 1) / 8 * zoom + 1 for either side S."""
    zoom, (height, width) = case.config["zoom_factor"], images.shape[-2:]
    return maps if zoom == 1 else resize(maps, (int((height - 1) / 8 * zoom + 1), int((width - 1) / 8 * zoom + 1)))


def _histogram(logits: Tensor) -> Tensor:
    """Predicted pixels per label."""
    return torch.bincount(logits.argmax(1).flatten(), minlength=logits.shape[1])


def _gradient_norms(names: NameTable, model: nn.Module) -> dict[str, Tensor]:
    trained: dict[str, Any] = names.published(dict(model.named_parameters()))
    return _norms("gradient_norms", ((name, p.grad) for name, p in trained.items() if p.grad is not None))


def _norms(title: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{title}.{name}": value.double().norm() for name, value in tensors}
