"""CECNet: clustered-patch element connection for few-shot learning (Lai, Yang, Zhou, Wu, Chen, Liu, Gao, Wang, Zheng;
IJCAI 2023).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from sccan.attention.element_connection import (
    Connected,
    ElementConnection,
    PatchCluster,
    one_to_one,
    weighted,
)
from sccan.attention.pairs import Pairs, apart, mixtures
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.patch_method import SHARED_NAMES, PatchMethod
from sccan.classification.parts.base_tasks import BaseTasks, PatchOutputs, TaskSettings
from sccan.classification.parts.heads import (
    class_means,
    cosine_scores,
    full_precision,
    in_parts,
    map_tokens,
    patch_cosines,
    true_pairs,
    ways_of,
)
from sccan.classification.parts.novel_task import FineTuning, fine_tuned, novel_probabilities, prototype_weights
from sccan.episodes.episode import Episode, Features

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
        *SHARED_NAMES,
        *((f"{theirs}{old}", f"{ours}{new}") for theirs, ours in CLUSTERS for old, new in CLUSTER_PARTS),
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
Pairing = Callable[[ElementConnection, Pairs], Connected]


@dataclass(frozen=True)
class CECNetState:
    """What CECNet keeps of B support sets.

    Attributes:
        class_tokens: of the class maps, [B, N, m, C].
        novel_weights: of the fine-tuned classifier, [B, N, C]; None without fine-tuning.
    """

    class_tokens: Tensor
    novel_weights: Tensor | None = None


class Meeting(NamedTuple):
    """The maps of every pair, and weights of their elements instead of weighted maps; see `Pairs`."""

    classes: Tensor  # [B, 1 or Q, N, m, C]
    queries: Tensor  # [B, Q, 1 or N, m, C]
    class_weights: Tensor | None  # [B, Q, N, m]
    query_weights: Tensor | None  # [B, Q, 1 or N, m]

    def class_vectors(self) -> Tensor:
        """Mean over the positions of weighted class maps, [B, 1 or Q, N, C]."""
        return _weighted_mean(self.classes, self.class_weights)

    def query_vectors(self) -> Tensor:
        """Mean over the positions of weighted query maps, [B, Q, 1 or N, C]."""
        return _weighted_mean(self.queries, self.query_weights)


class CECNet(PatchMethod):
    """The maps of every pair are connected (CECM); their distance asks how well the class map describes the query's
    elements (CECD).

    Fine-tuning on maps that are connected with themselves (Self-CECM) is in the paper but not in the published code: it
    is off by default, and no published number verifies it. The head computes in float32.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        cluster: Callable[[int], PatchCluster] | None,
        distance: Callable[[int], PatchCluster] | None,
        pairing: Pairing = one_to_one,
        cross: nn.Module | None = None,
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
            cluster: makes the connection's patch cluster, given channels (`element_connection.CLUSTERS`); None: there
                is no connection.
            distance: makes that of the distance; None: the cosine of averaged maps instead of CECD.
            pairing: `one_to_one` or `one_to_many`.
            cross: another attention between the maps of every pair, before this one; see `PatchProto`.
            n_base: classes of the training split.
            temperature: of the connection's softmax over positions.
            scale: factor of every cosine.
            fine_tuning: of a classifier in evaluation mode, whose probabilities are added; None: without.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.

        Raises ValueError: fine-tuning is on, but there is no CECM.
        """
        super().__init__()
        if cluster is None and fine_tuning is not None:
            raise ValueError("fine-tuning is on self-connected maps, but there is no connection")
        self.backbone, self.stage, self.scale = backbone, stage, scale
        self.pairing, self.fine_tuning, self.cross = pairing, fine_tuning, cross
        channels = backbone.stage(stage).channels
        self.connection = ElementConnection(cluster(channels), temperature=temperature) if cluster else None
        self.distance = distance(channels) if distance else None
        self.tasks = BaseTasks(channels, n_base, tasks)

    def encode(self, images: Tensor) -> Features:
        return Features({self.stage: self.backbone(images)[self.stage]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> CECNetState:
        """Class maps; `n_way` saves looking the number of ways up in the labels."""
        tokens, n_way = map_tokens(support.maps[self.stage]), n_way or ways_of(labels)
        with full_precision(tokens):
            class_tokens = class_means(tokens, labels, n_way)
            if self.fine_tuning is None or self.connection is None or self.training:
                return CECNetState(class_tokens)
            maps = self.connection.alone(tokens).transpose(-1, -2)  # [B, S, C, m]
            weights = fine_tuned(prototype_weights(maps, labels, n_way), maps, labels, self.fine_tuning)
            return CECNetState(class_tokens, weights)

    def predict(self, query: Features, state: CECNetState) -> Tensor:
        tokens = map_tokens(query.maps[self.stage])
        with full_precision(tokens):
            scores = in_parts(lambda part: self.scores(self.pairs(state.class_tokens, part)), tokens)
            if state.novel_weights is None or self.connection is None:
                return scores
            maps = self.connection.alone(tokens).transpose(-1, -2)
            return scores + novel_probabilities(state.novel_weights, maps)

    def pairs(self, class_tokens: Tensor, query_tokens: Tensor) -> Meeting:
        """The maps of every pair and the weights of their elements, after they have met."""
        pairs: Pairs = (self.cross or apart)(class_tokens, query_tokens)
        if self.connection is None:
            return Meeting(*pairs, None, None)
        found = self.pairing(self.connection, pairs)
        return Meeting(found.left, found.right, found.left_weights, found.right_weights)

    def scores(self, pairs: Meeting) -> Tensor:
        """Scores [B, Q, N] of connected pairs."""
        if self.distance is not None:
            return self.local_scores(pairs).mean(-1)
        return cosine_scores(pairs.class_vectors(), pairs.query_vectors(), self.scale)

    def local_scores(self, pairs: Meeting) -> Tensor:
        """Scores at every position of the query maps, [B, Q, N, m].

        CECD is one-sided as published: elements of the query against clusters of the class map. Without CECD, the
        weight of a position cancels out of its cosine.
        """
        if self.distance is not None:
            return self.scale * self.distance.relation(
                pairs.queries, pairs.classes, pairs.query_weights, pairs.class_weights
            )
        return self.scale * patch_cosines(pairs.class_vectors(), pairs.queries)

    def training_outputs(self, query: Features, state: CECNetState, episode: Episode) -> PatchOutputs:
        maps = query.maps[self.stage]
        with full_precision(maps):
            pairs = self.pairs(state.class_tokens, map_tokens(maps))
            true = true_pairs(pairs.queries, episode.query_labels)  # [B, Q, m, C]
            if pairs.query_weights is not None:
                true = weighted(true, true_pairs(pairs.query_weights, episode.query_labels))
            true = true.transpose(-1, -2).unflatten(-1, maps.shape[-2:])  # [B, Q, C, h, w]
            return PatchOutputs(self.local_scores(pairs).unflatten(-1, maps.shape[-2:]), self.tasks(true))


def _weighted_mean(tokens: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return tokens.mean(-2)
    return mixtures(weights.unsqueeze(-2), tokens).squeeze(-2) / tokens.shape[-2]
