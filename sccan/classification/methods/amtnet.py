"""AMTNet: adaptive multi-distance metric and multi-task learning (Lai, Yang, Jiang, Zhou; ACM Multimedia 2022).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.pairs import Pairs
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.patch_method import SHARED_NAMES
from sccan.classification.methods.patch_proto import PatchProto
from sccan.classification.parts.base_tasks import BaseLogits, TaskSettings, base_class_ids
from sccan.classification.parts.heads import full_precision, map_tokens, patch_cosines, true_pair_maps
from sccan.classification.parts.losses import map_focal_loss
from sccan.classification.parts.metric_fusion import AdaptiveMetrics, MetricScores, divergence
from sccan.episodes.episode import Episode, Features

HEAD = "similarity_res_func."
RELATION = f"{HEAD}relation_module."
FEW_SHOTS = 2
MANY_SHOTS_WEIGHT, FEW_SHOTS_WEIGHT = 0.5, 0.1
"""Of the divergences, with more shots than that and with no more."""
DISTILLATION_WEIGHT = 0.5


class AMTNetNames(NameTable):
    """Published names; training saved the weights of the predictions without their one dimension."""

    def ours(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: value.reshape(1) if _is_number(name, value) else value for name, value in super().ours(state).items()
        }


def _is_number(name: str, value: Tensor) -> bool:
    weights = "metrics.adaptive.", *(f"metrics.{metric}_weight" for metric in MetricScores._fields)
    return value.numel() == 1 and name.startswith(weights)


PUBLISHED_NAMES = AMTNetNames(
    [
        *SHARED_NAMES,
        (f"{HEAD}cosin_weight", "metrics.cosine_weight"),
        (f"{HEAD}proto_weight", "metrics.euclidean_weight"),
        (f"{HEAD}relation_weight", "metrics.relation_weight"),
        # The published code uses two of its adaptive weights for each other's metric.
        (f"{HEAD}adaptive_relation_weight", "metrics.adaptive.cosine"),
        (f"{HEAD}adaptive_proto_weight", "metrics.adaptive.euclidean"),
        (f"{HEAD}adaptive_cosin_weight", "metrics.adaptive.relation"),
        (f"{RELATION}layer1.0.", "metrics.relation.first."),
        (f"{RELATION}layer1.1.", "metrics.relation.first_norm."),
        (f"{RELATION}layer2.0.", "metrics.relation.second."),
        (f"{RELATION}layer2.1.", "metrics.relation.second_norm."),
        (f"{RELATION}layer3.", "metrics.relation.last."),
    ]
)


@dataclass(frozen=True)
class Regularisation:
    """Divergences between the predictions of a training step.

    Attributes:
        detached: the prediction that is to be matched does not learn from it (published: it does).
    """

    detached: bool = False


@dataclass(frozen=True)
class AMTNetOutputs:
    """What the losses need of a training batch.

    Attributes:
        scores: raw scores of the metrics at every position, [B, Q, N, h, w] each.
        fused: the fused prediction, likewise.
        base: logits of the base tasks.
        teacher: what a teacher says about the same pictures, if there is one.
    """

    scores: MetricScores
    fused: Tensor
    base: BaseLogits
    teacher: AMTNetOutputs | None = None


class AMTNet(PatchProto):
    """Three metrics are learned together, each with a loss of its own, and their predictions are fused.

    The adaptive weights of the fusion are trained here, on the loss of the fused prediction alone; published, they
    never are (see `AdaptiveMetrics`). The relation network's norms average their statistics here; published, they keep
    those of the last batch (momentum 1). The head computes in float32. Distillation from a teacher (`teach`) follows
    the published formula, but no recorded number verifies it.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        scale: float = 7.0,
        adaptive: bool = True,
        train_fusion: bool = True,
        patch_vote: bool = True,
        summed: bool = False,
        momentum: float = 0.1,
        regularisation: Regularisation | None = None,
        cross: nn.Module | None = None,
        tasks: TaskSettings | None = None,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split.
            scale: factor of cosines and Euclidean distances.
            adaptive: fuse predictions with weights of their own, and not with those of the losses.
            train_fusion: learn these weights; False: as published.
            patch_vote: in tests, add the patches' votes by cosine (published: unless the backbone is a Conv4).
            summed: Euclidean distances summed over channels (published: averaged).
            momentum: of the relation network's norms (published: 1).
            regularisation: None: without.
            cross: see `PatchProto`.
            tasks: what is learned beside the metrics.
            stage: the backbone's stage to use.
        """
        super().__init__(backbone, n_base=n_base, scale=scale, cross=cross, tasks=tasks, stage=stage)
        self.patch_vote, self.regularisation = patch_vote, regularisation
        channels = backbone.stage(stage).channels
        self.metrics = AdaptiveMetrics(
            channels, scale=scale, adaptive=adaptive, trained=train_fusion, summed=summed, momentum=momentum
        )
        self._teacher: tuple[AMTNet, ...] = ()  # a tuple, so that its weights are no part of this model's
        self._averaged = False

    def teach(self, teacher: AMTNet, *, averaged: bool) -> None:
        """Learn from a trained network as well from now on; it is frozen.

        Args:
            teacher: for the same base classes.
            averaged: compare predictions averaged over positions, for a teacher with another backbone.

        Raises ValueError: the teacher knows other base classes or another task.
        """
        ours, theirs = self.tasks, teacher.tasks
        found = (theirs.classifier.out_channels, theirs.settings.rotation)
        if found != (ours.classifier.out_channels, ours.settings.rotation):
            raise ValueError(
                f"the teacher knows {found[0]} base classes, rotations: {found[1]}; the student "
                f"{ours.classifier.out_channels}, rotations: {ours.settings.rotation}"
            )
        self._teacher, self._averaged = (teacher.requires_grad_(False).eval(),), averaged

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moves to devices and data types take the teacher along."""
        for teacher in self._teacher:
            teacher._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def scores(self, pairs: Pairs) -> Tensor:
        """Fused predictions of averaged query maps [B, Q, N] and, if so set, votes of their patches."""
        classes = _unit_means(pairs.classes)
        vectors = F.normalize(pairs.queries.mean(-2, keepdim=True), dim=-1)  # [B, Q, 1 or N, 1, C]
        scores = self.metrics.fused(self.metrics(classes, vectors)).squeeze(-1)
        if not self.patch_vote:
            return scores
        patches = self.metrics.scale * patch_cosines(classes, pairs.queries)
        return scores + patches.softmax(2).sum(-1).log_softmax(-1)

    def training_outputs(self, query: Features, state: Tensor, episode: Episode) -> AMTNetOutputs:
        maps = query.maps[self.stage]
        size = maps.shape[-2:]
        with full_precision(maps):
            pairs = self.pairs(state, map_tokens(maps))
            scores = self.metrics(_unit_means(pairs.classes), F.normalize(pairs.queries, dim=-1))
            as_maps = MetricScores(*(one.unflatten(-1, size) for one in scores))
            fused = self.metrics.fused(scores).unflatten(-1, size)
            return AMTNetOutputs(as_maps, fused, self.tasks(true_pair_maps(pairs.queries, episode.query_labels, size)))

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training `AMTNetOutputs`."""
        if not self.training:
            return super().forward(episode)
        expanded = self.tasks.expanded(episode)
        outputs = self.trained_on(expanded)
        for teacher in self._teacher:
            with torch.no_grad():
                outputs = replace(outputs, teacher=teacher.trained_on(expanded))
        return outputs

    def loss(self, outputs: AMTNetOutputs, episode: Episode) -> dict[str, Tensor]:
        """Losses of base tasks and metrics, and their weighted sum; sets the weights of the next predictions."""
        n_shot = episode.support_labels.shape[1] // episode.classes.shape[1]
        return self.losses(outputs, episode.query_labels, base_class_ids(episode), n_shot)

    def losses(self, outputs: AMTNetOutputs, ways: Tensor, class_ids: Tensor, n_shot: int) -> dict[str, Tensor]:
        """See `loss`.

        Args:
            outputs: of a training batch.
            ways: of every query picture, [B, Q before rotations].
            class_ids: base class of every query picture, likewise.
            n_shot: supports per class; it decides which divergences there are.
        """
        losses = self.tasks.losses(outputs.base, class_ids)
        targets, settings = self.tasks.repeated(ways).flatten(), self.tasks.settings
        own = [map_focal_loss(scores.flatten(0, 1), targets, settings.gamma) for scores in outputs.scores]
        total = losses.pop("base") + settings.local_weight * self.metrics.loss_weights(*own)
        losses |= dict(zip(MetricScores._fields, own, strict=True))
        self.metrics.keep_loss_weights()
        if self.metrics.learns_fusion:
            fused = self.metrics.fused(MetricScores(*(scores.detach() for scores in outputs.scores)))
            losses["fusion"] = map_focal_loss(fused.flatten(0, 1), targets, settings.gamma)
            total = total + losses["fusion"]
        if self.regularisation is not None:
            weight, parts = self._divergences(outputs, n_shot, self.regularisation)
            losses |= {f"divergence_{name}": value for name, value in parts.items()}
            total = total + weight * sum(parts.values())
        if outputs.teacher is not None:
            losses["distillation"] = distillation(outputs, outputs.teacher, averaged=self._averaged)
            total = total + DISTILLATION_WEIGHT * losses["distillation"]
        return losses | {"total": total}

    def _divergences(
        self, outputs: AMTNetOutputs, n_shot: int, settings: Regularisation
    ) -> tuple[float, dict[str, Tensor]]:
        """By metric, with their weight: with many shots from the fused prediction; with few, only without rotations."""
        scores = outputs.scores
        if n_shot > FEW_SHOTS:
            teacher = outputs.fused.detach() if settings.detached else outputs.fused
            return MANY_SHOTS_WEIGHT, {name: divergence(one, teacher) for name, one in scores._asdict().items()}
        if self.tasks.settings.rotation:
            return FEW_SHOTS_WEIGHT, {}
        teacher = scores.cosine.detach() if settings.detached else scores.cosine
        return FEW_SHOTS_WEIGHT, {"relation": divergence(scores.relation, teacher)}


def distillation(student: AMTNetOutputs, teacher: AMTNetOutputs, *, averaged: bool) -> Tensor:
    """Sum of divergences from a teacher: every metric from its fused prediction, base tasks from their like.

    Args:
        student: of a training batch.
        teacher: of the same pictures.
        averaged: average scores over positions first.
    """
    pairs = [(student.base.classes, teacher.base.classes), *((own, teacher.fused) for own in student.scores)]
    if student.base.rotations is not None and teacher.base.rotations is not None:
        pairs.append((student.base.rotations, teacher.base.rotations))
    if averaged:
        pairs = [(own.mean((-2, -1)), theirs.mean((-2, -1))) for own, theirs in pairs]
    return torch.stack([divergence(own, theirs) for own, theirs in pairs]).sum()


def _unit_means(tokens: Tensor) -> Tensor:
    """Maps [..., m, C] as averaged vectors of length 1, [..., C]."""
    return F.normalize(tokens.mean(-2), dim=-1)
