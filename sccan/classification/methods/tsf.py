"""tSF: transformer-based semantic filter for few-shot learning (Lai, Yang, Liu, Chen, Wang, Zeng; ECCV 2022).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sccan.attention.semantic_filter import SemanticFilter
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.base_tasks import BaseTasks, PatchOutputs, TaskSettings, base_class_ids
from sccan.classification.heads import class_means, cosine_scores, full_precision, local_cosine_scores, ways_of
from sccan.episodes.episode import Episode, Features
from sccan.method import Method

# The neck stands under three names: in the paper's own code, and twice in that of SpatialFormer.
NECKS = (
    ("neck_tSF.", "neck_tSF."),
    ("tSF_encoder.tSF_stacker_layers.0.", "tSF_encoder.tSF_stacker_layers.0."),
    ("tSF_plus_encoder.", "tSF_plus_encoder.tSF_block."),
)

PUBLISHED_NAMES = NameTable(
    [
        ("base.", "backbone."),
        *((f"{outer}query_embed.weight", "neck.tokens") for outer, _ in NECKS),
        *((f"{inner}attention.merge.", "neck.merge.") for _, inner in NECKS),
        *((f"{inner}FFN.norm3.", "neck.feed_forward.norm.") for _, inner in NECKS),
        *((f"{inner}FFN.", "neck.feed_forward.") for _, inner in NECKS),
        ("similarity_res_func.clasifier.", "tasks.classifier."),  # spelled so in the published code
        ("similarity_res_func.rotate_classifier.", "tasks.rotation_classifier."),
    ],
    doubled=[f"{inner}attention.proj." for _, inner in NECKS],
)
"""The published projections of the neck are never used; they are left out."""


class TSF(Method):
    """PatchProto + tSF: filtered maps, class means, cosine.

    The published code forms a map of every pair (query, class); without cross attention these are copies, and all
    scores are products of the raw maps. The head computes in float32; autocast reaches the backbone only.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        n_tokens: int = 5,
        heads: int = 4,
        dropout: float = 0.1,
        scale: float = 7.0,
        tasks: TaskSettings | None = None,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split.
            n_tokens: filter tokens.
            heads: of the filter.
            dropout: of the filter's feed-forward block.
            scale: factor of every cosine.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.
        """
        super().__init__()
        self.backbone, self.stage, self.scale = backbone, stage, scale
        channels = backbone.stage(stage).channels
        self.neck = SemanticFilter(channels, n_tokens=n_tokens, heads=heads, dropout=dropout)
        self.tasks = BaseTasks(channels, n_base, tasks)

    def encode(self, images: Tensor) -> Features:
        """Filtered maps: the filter knows one picture at a time, so its maps can be cached like the backbone's."""
        maps = self.backbone(images)[self.stage].float()
        with full_precision(maps):
            return Features({self.stage: self.neck(maps)}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> Tensor:
        """Vectors of the classes, [B, N, C]; `n_way` saves looking the number of ways up in the labels."""
        return class_means(support.maps[self.stage].mean((-2, -1)), labels, n_way or ways_of(labels))

    def predict(self, query: Features, state: Tensor) -> Tensor:
        vectors = query.maps[self.stage].mean((-2, -1))  # [B, Q, C]
        return cosine_scores(state.unsqueeze(1), vectors.unsqueeze(2), self.scale)

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training `PatchOutputs`."""
        if not self.training:
            return super().forward(episode)
        support, query = self.encode_episode(self.tasks.expanded(episode))
        state = self.condition(support, episode.support_labels, n_way=episode.classes.shape[1])
        maps = query.maps[self.stage]  # [B, Q, C, h, w]
        with full_precision(maps):
            local = local_cosine_scores(state.unsqueeze(1), maps.flatten(-2), self.scale)  # [B, Q, N, m]
            return PatchOutputs(local.unflatten(-1, maps.shape[-2:]), self.tasks(maps))

    def loss(self, outputs: PatchOutputs, episode: Episode) -> dict[str, Tensor]:
        """``global``, ``local`` and perhaps ``rotation``, and their weighted sum."""
        return self.tasks.patch_losses(outputs, episode.query_labels, base_class_ids(episode))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: as published, one rate and weight decay for everything."""
        return {"model": list(self.parameters())}
