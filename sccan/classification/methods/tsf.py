"""tSF: transformer-based semantic filter for few-shot learning (Lai, Yang, Liu, Chen, Wang, Zeng; ECCV 2022)."""

from __future__ import annotations

from torch import Tensor, nn

from sccan.attention.semantic_filter import SemanticFilter
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.patch_method import SHARED_NAMES
from sccan.classification.methods.patch_proto import PatchProto
from sccan.classification.parts.base_tasks import TaskSettings
from sccan.classification.parts.heads import full_precision
from sccan.episodes.episode import Features

# The neck stands under three names: in the paper's own code, and twice in that of SpatialFormer.
NECKS = (
    ("neck_tSF.", "neck_tSF."),
    ("tSF_encoder.tSF_stacker_layers.0.", "tSF_encoder.tSF_stacker_layers.0."),
    ("tSF_plus_encoder.", "tSF_plus_encoder.tSF_block."),
)

PUBLISHED_NAMES = NameTable(
    [
        *SHARED_NAMES,
        *((f"{outer}query_embed.weight", "neck.tokens") for outer, _ in NECKS),
        *((f"{inner}attention.merge.", "neck.merge.") for _, inner in NECKS),
        *((f"{inner}FFN.norm3.", "neck.feed_forward.norm.") for _, inner in NECKS),
        *((f"{inner}FFN.", "neck.feed_forward.") for _, inner in NECKS),
    ],
    doubled=[f"{inner}attention.proj." for _, inner in NECKS],
)
"""The published projections of the neck are never used; they are left out."""


class TSF(PatchProto):
    """PatchProto + tSF: the maps of every picture are filtered before anything else."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        n_tokens: int = 5,
        heads: int = 4,
        dropout: float = 0.1,
        scale: float = 7.0,
        cross: nn.Module | None = None,
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
            cross: see `PatchProto`.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.
        """
        super().__init__(backbone, n_base=n_base, scale=scale, cross=cross, tasks=tasks, stage=stage)
        channels = backbone.stage(stage).channels
        self.neck = SemanticFilter(channels, n_tokens=n_tokens, heads=heads, dropout=dropout)

    def encode(self, images: Tensor) -> Features:
        """Filtered maps: the filter knows one picture at a time, so its maps can be cached like the backbone's."""
        maps = self.backbone(images)[self.stage].float()
        with full_precision(maps):
            return Features({self.stage: self.neck(maps)}, (images.shape[-2], images.shape[-1]))
