"""SpatialFormer / STANet: semantic and target aware attentions (Lai, Yang, Wang, Liu, Chen, Zeng; AAAI 2023).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sccan.attention.spatial_former import SpatialFormerUnit, attended_pairs, paired_attention
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.patch_method import SHARED_NAMES, PatchMethod
from sccan.classification.parts.base_tasks import BaseTasks, PatchOutputs, TaskSettings
from sccan.classification.parts.heads import (
    TOGETHER,
    class_means,
    cosine_scores,
    full_precision,
    map_tokens,
    patch_cosines,
    true_pair_maps,
    ways_of,
)
from sccan.classification.parts.novel_task import (
    FineTuning,
    attended_by_class,
    fine_tuned,
    novel_probabilities,
    prototype_weights,
)
from sccan.episodes.episode import Episode, Features
from sccan.errors import InputError

ATTENTIONS = (("cross_attention.gnn.tsca.", "semantic."), ("tsca.", "target."))
PUBLISHED_NAMES = NameTable(
    [
        *SHARED_NAMES,
        *((f"{published}attention.merge.", f"{ours}merge.") for published, ours in ATTENTIONS),
        *((f"{published}attention.proj.0.", f"{ours}query.") for published, ours in ATTENTIONS),
        *((f"{published}attention.proj.1.", f"{ours}key.") for published, ours in ATTENTIONS),
        *((f"{published}attention.proj.2.", f"{ours}value.") for published, ours in ATTENTIONS),
        *((f"{published}FFN.norm3.", f"{ours}feed_forward.norm.") for published, ours in ATTENTIONS),
        *((f"{published}FFN.", f"{ours}feed_forward.") for published, ours in ATTENTIONS),
    ],
    doubled=["attention_clasifier."],
)
TARGET = "target"
"""Name of the target-aware maps beside those of the backbone's stage."""


@dataclass(frozen=True)
class NovelTask:
    """Novel-task attention: a classifier fine-tuned on the support set of every test episode.

    Attributes:
        tuning: how.
        add_probabilities: decide by its probabilities plus the metric's scores (as published), not by the latter alone.
        supports_for_prototypes: as the published code does by mistake, take the support maps in the order of the
            episode where class maps are meant; only with one shot, and right only if supports are in order of classes.
    """

    tuning: FineTuning = field(default_factory=FineTuning)
    add_probabilities: bool = True
    supports_for_prototypes: bool = False


@dataclass(frozen=True)
class SpatialFormerState:
    """What SpatialFormer keeps of B support sets.

    Attributes:
        class_tokens: of the class maps, [B, N, m, C].
        target_tokens: of the class maps after target-aware attention, [B, N, m, C].
        novel_weights: of the fine-tuned classifier, [B, N, C]; None without novel-task attention.
    """

    class_tokens: Tensor
    target_tokens: Tensor
    novel_weights: Tensor | None = None


class SpatialFormer(PatchMethod):
    """Pairs attend to each other (SFSA), every map to the base classes (SFTA), and both are added.

    In tests a classifier of the novel classes is fine-tuned on the support set, and its weights attend to the maps
    before all else (novel-task attention). The published code does the latter to support maps in the order of the
    episode instead of class maps; here that is an option. The head computes in float32.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        heads: int = 1,
        temperature: float = 0.025,
        dropout: float = 0.1,
        scale: float = 7.0,
        novel_task: NovelTask | None = None,
        tasks: TaskSettings | None = None,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split.
            heads: of either attention.
            temperature: of the semantic attention's softmax over positions.
            dropout: of the feed-forward blocks.
            scale: factor of every cosine.
            novel_task: fine-tune in evaluation mode; None: do not.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.
        """
        super().__init__()
        self.backbone, self.stage, self.scale, self.novel_task = backbone, stage, scale, novel_task
        channels = backbone.stage(stage).channels
        self.semantic = SpatialFormerUnit(channels, heads=heads, temperature=temperature, dropout=dropout)
        self.target = SpatialFormerUnit(channels, heads=heads, dropout=dropout)
        self.tasks = BaseTasks(channels, n_base, tasks)

    def encode(self, images: Tensor) -> Features:
        """Maps of the backbone and, unless novel-task attention comes first, target-aware ones."""
        maps = self.backbone(images)[self.stage].float()  # [n, C, h, w]
        size = (images.shape[-2], images.shape[-1])
        if self.novel_task is not None and not self.training:
            return Features({self.stage: maps}, size)
        with full_precision(maps):
            target = self.target_aware(map_tokens(maps)).transpose(-1, -2).unflatten(-1, maps.shape[-2:])
        return Features({self.stage: maps, TARGET: target}, size)

    def target_aware(self, tokens: Tensor) -> Tensor:
        """SFTA: tokens [..., m, C] attend to the weights of the base classifier, which get no gradient from it."""
        return self.target(tokens, self.tasks.classifier.weight.detach().flatten(1))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> SpatialFormerState:
        """Class maps; `n_way` saves looking the number of ways up in the labels."""
        maps, n_way = support.maps[self.stage], n_way or ways_of(labels)
        with full_precision(maps):
            class_maps = class_means(maps, labels, n_way)  # [B, N, C, h, w]
            if self.novel_task is None or self.training:
                target = class_means(support.maps[TARGET], labels, n_way)
                return SpatialFormerState(map_tokens(class_maps), map_tokens(target))
            return self._novel_state(maps.flatten(-2), class_maps.flatten(-2), labels, self.novel_task)

    def _novel_state(self, maps: Tensor, class_maps: Tensor, labels: Tensor, task: NovelTask) -> SpatialFormerState:
        """Of support maps [B, S, C, m] and class maps [B, N, C, m]."""
        if task.supports_for_prototypes:
            if maps.shape[1] != class_maps.shape[1]:
                raise InputError(
                    f"{maps.shape[1]} supports cannot stand for {class_maps.shape[1]} class maps; that published "
                    "behaviour needs exactly one shot"
                )
            class_maps = maps
        start = prototype_weights(maps, labels, class_maps.shape[1])
        weights = fine_tuned(start, maps, labels, task.tuning)
        attended = attended_by_class(weights, class_maps, novel_probabilities(weights, class_maps))
        tokens = attended.transpose(-1, -2)  # [B, N, m, C]
        return SpatialFormerState(tokens, self.target_aware(tokens), weights)

    def predict(self, query: Features, state: SpatialFormerState) -> Tensor:
        maps = query.maps[self.stage]
        with full_precision(maps):
            if state.novel_weights is None:
                return self.metric_scores(map_tokens(maps), map_tokens(query.maps[TARGET]), state)
            flat = maps.flatten(-2)  # [B, Q, C, m]
            probabilities = novel_probabilities(state.novel_weights, flat)
            tokens = attended_by_class(state.novel_weights, flat, probabilities).transpose(-1, -2)
            scores = self.metric_scores(tokens, self.target_aware(tokens), state)
        added = self.novel_task is not None and self.novel_task.add_probabilities
        return scores + probabilities if added else scores

    def metric_scores(self, tokens: Tensor, target_tokens: Tensor, state: SpatialFormerState) -> Tensor:
        """Scores [B, Q, N] of query tokens [B, Q, m, C] and their target-aware ones; some queries at a time."""
        found, asking = [], self.semantic.asking(state.class_tokens.unsqueeze(1))
        for part, target in zip(tokens.split(TOGETHER, 1), target_tokens.split(TOGETHER, 1), strict=True):
            class_pairs, query_pairs = attended_pairs(self.semantic, asking, part)  # [B, Q, N, m, C]
            classes = class_pairs.mean(-2) + state.target_tokens.mean(-2).unsqueeze(1)  # [B, Q, N, C]
            queries = query_pairs.mean(-2) + target.mean(-2).unsqueeze(2)
            found.append(cosine_scores(classes, queries, self.scale))
        return torch.cat(found, dim=1)

    def training_outputs(self, query: Features, state: SpatialFormerState, episode: Episode) -> PatchOutputs:
        maps = query.maps[self.stage]
        with full_precision(maps):
            class_pairs, query_pairs = paired_attention(self.semantic, state.class_tokens, map_tokens(maps))
            classes = class_pairs.mean(-2) + state.target_tokens.mean(-2).unsqueeze(1)  # [B, Q, N, C]
            queries = query_pairs + map_tokens(query.maps[TARGET]).unsqueeze(2)  # [B, Q, N, m, C]
            local = self.scale * patch_cosines(classes, queries)  # [B, Q, N, m]
            true = true_pair_maps(queries, episode.query_labels, maps.shape[-2:])  # [B, Q, C, h, w]
            return PatchOutputs(local.unflatten(-1, maps.shape[-2:]), self.tasks(true))
