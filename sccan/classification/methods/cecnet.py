"""CECNet: clustered-patch element connection for few-shot learning (Lai, Yang, Zhou, Wu, Chen, Liu, Gao, Wang, Zheng;
IJCAI 2023).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sccan.attention.element_connection import Connected, ElementConnection, one_to_one, relation
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.base_tasks import BaseTasks, PatchOutputs, TaskSettings, base_class_ids
from sccan.classification.heads import class_means, cosine_scores, full_precision, map_tokens, true_pair_maps, ways_of
from sccan.classification.novel_task import FineTuning, fine_tuned, novel_probabilities, prototype_weights
from sccan.episodes.episode import Episode, Features
from sccan.method import Method

CLUSTERS = (
    ("cross_attention.gnn.layers.0.", "connection.cluster."),
    ("similarity_res_func.distance_func.layers.0.", "distance."),
)
CLUSTER_PARTS = (
    ("transformer_layer.attn.merge.", "merge."),
    ("transformer_layer.attn.proj.0.", "query."),
    ("transformer_layer.attn.proj.1.", "key."),
    ("transformer_layer.attn.proj.2.", "value."),
    ("transformer_layer.mlp.0.", "expand."),
    ("transformer_layer.mlp.1.", "norm."),
    ("transformer_layer.mlp.3.", "reduce."),
    ("gcn_weight.", "mix."),
)
PUBLISHED_NAMES = NameTable(
    [
        ("base.", "backbone."),
        *((f"{theirs}{old}", f"{ours}{new}") for theirs, ours in CLUSTERS for old, new in CLUSTER_PARTS),
        ("similarity_res_func.clasifier.", "tasks.classifier."),  # spelled so in the published code
        ("similarity_res_func.rotate_classifier.", "tasks.rotation_classifier."),
    ]
)
FILTER_NAMES = NameTable(
    [
        ("query_embed.weight", "tokens"),
        *((f"patch_cluster.{old}", f"cluster.{new}") for old, new in CLUSTER_PARTS),
        ("FFN.norm3.", "feed_forward.norm."),
        ("FFN.", "feed_forward."),
    ]
)
"""Names of the CECE neck, which is no part of CECNet."""
TOGETHER = 16
"""Queries whose pairs are formed together where no gradient is needed."""
Pairing = Callable[[ElementConnection, Tensor, Tensor], Connected]


@dataclass(frozen=True)
class CECNetState:
    """What CECNet keeps of B support sets.

    Attributes:
        class_tokens: of the class maps, [B, N, m, C].
        novel_weights: of the fine-tuned classifier, [B, N, C]; None without fine-tuning.
    """

    class_tokens: Tensor
    novel_weights: Tensor | None = None


class CECNet(Method):
    """The maps of every pair are connected (CECM); their distance asks how well the class map describes the query's
    elements (CECD).

    Fine-tuning on maps that are connected with themselves (Self-CECM) is in the paper but not in the published code: it
    is off by default, and no published number verifies it. The head computes in float32.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        cluster: Callable[[int], nn.Module],
        distance: Callable[[int], nn.Module] | None,
        pairing: Pairing = one_to_one,
        n_base: int = 64,
        temperature: float = 0.025,
        scale: float = 7.0,
        fine_tuning: FineTuning | None = None,
        tasks: TaskSettings | None = None,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            cluster: makes the connection's patch cluster, given channels (`element_connection.CLUSTERS`).
            distance: makes that of the distance; None: the cosine of averaged maps instead of CECD.
            pairing: `one_to_one` or `one_to_many`.
            n_base: classes of the training split.
            temperature: of the connection's softmax over positions.
            scale: factor of every cosine.
            fine_tuning: of a classifier in evaluation mode, whose probabilities are added; None: without.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.
        """
        super().__init__()
        self.backbone, self.stage, self.scale = backbone, stage, scale
        self.pairing, self.fine_tuning = pairing, fine_tuning
        channels = backbone.stage(stage).channels
        self.connection = ElementConnection(cluster(channels), temperature=temperature)
        self.distance = distance(channels) if distance else None
        self.tasks = BaseTasks(channels, n_base, tasks)

    def encode(self, images: Tensor) -> Features:
        return Features({self.stage: self.backbone(images)[self.stage]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> CECNetState:
        """Class maps; `n_way` saves looking the number of ways up in the labels."""
        tokens, n_way = map_tokens(support.maps[self.stage]), n_way or ways_of(labels)
        with full_precision(tokens):
            class_tokens = class_means(tokens, labels, n_way)
            if self.fine_tuning is None or self.training:
                return CECNetState(class_tokens)
            maps = self.connection.alone(tokens).transpose(-1, -2)  # [B, S, C, m]
            weights = fine_tuned(prototype_weights(maps, labels, n_way), maps, labels, self.fine_tuning)
            return CECNetState(class_tokens, weights)

    def predict(self, query: Features, state: CECNetState) -> Tensor:
        tokens = map_tokens(query.maps[self.stage])
        with full_precision(tokens):
            found = []
            for part in tokens.split(TOGETHER, dim=1):
                pairs = self.pairing(self.connection, state.class_tokens, part)
                found.append(self.scores(pairs))
            scores = torch.cat(found, dim=1)
            if state.novel_weights is None:
                return scores
            maps = self.connection.alone(tokens).transpose(-1, -2)
            return scores + novel_probabilities(state.novel_weights, maps)

    def scores(self, pairs: Connected) -> Tensor:
        """Scores [B, Q, N] of connected pairs."""
        if self.distance is not None:
            return self.local_scores(pairs).mean(-1)
        return cosine_scores(pairs.left.mean(-2), pairs.right.mean(-2), self.scale)

    def local_scores(self, pairs: Connected) -> Tensor:
        """Scores at every position of the query maps, [B, Q, N, m].

        CECD is one-sided as published: elements of the query against clusters of the class map.
        """
        if self.distance is not None:
            return self.scale * relation(pairs.right, self.distance(pairs.right, pairs.left))
        return cosine_scores(pairs.left.mean(-2, keepdim=True), pairs.right, self.scale)

    def training_outputs(self, query: Features, state: CECNetState, labels: Tensor) -> PatchOutputs:
        """Scores at every position of every pair, and logits of the query map of the true pair.

        Args:
            query: maps [B, Q, ...].
            state: of the same episodes.
            labels: true ways, [B, Q].
        """
        maps = query.maps[self.stage]
        with full_precision(maps):
            pairs = self.pairing(self.connection, state.class_tokens, map_tokens(maps))
            true = true_pair_maps(pairs.right, labels, maps.shape[-2:])  # [B, Q, C, h, w]
            return PatchOutputs(self.local_scores(pairs).unflatten(-1, maps.shape[-2:]), self.tasks(true))

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training `PatchOutputs`."""
        if not self.training:
            return super().forward(episode)
        episode = self.tasks.expanded(episode)
        support, query = self.encode_episode(episode)
        state = self.condition(support, episode.support_labels, n_way=episode.classes.shape[1])
        return self.training_outputs(query, state, episode.query_labels)

    def loss(self, outputs: PatchOutputs, episode: Episode) -> dict[str, Tensor]:
        """``global``, ``local`` and perhaps ``rotation``, and their weighted sum."""
        return self.tasks.patch_losses(outputs, episode.query_labels, base_class_ids(episode))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: as published, one rate and weight decay for everything."""
        return {"model": list(self.parameters())}
