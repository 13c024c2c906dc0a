"""PatchProto: class means and the cosine, learned at every position; tSF's baseline (Lai et al.; ECCV 2022).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sccan.attention.pairs import Pairs, apart
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
    true_pair_maps,
    ways_of,
)
from sccan.episodes.episode import Episode, Features

PUBLISHED_NAMES = NameTable(SHARED_NAMES)


class PatchProto(PatchMethod):
    """Averaged maps of class and query are compared by cosine; in training every position of the query is.

    The maps of a pair may attend to each other first (`cross`). Without that no map of a pair is formed: scores are
    products of the raw maps, where the published code makes copies. The head computes in float32; autocast reaches the
    backbone only.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        scale: float = 7.0,
        cross: nn.Module | None = None,
        tasks: TaskSettings | None = None,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split.
            scale: factor of every cosine.
            cross: attention between the maps of every pair, from class tokens [B, N, m, C] and query tokens
                [B, Q, m, C] to `Pairs`; None: without.
            tasks: what is learned beside the metric.
            stage: the backbone's stage to use.
        """
        super().__init__()
        self.backbone, self.stage, self.scale = backbone, stage, scale
        self.cross = cross
        self.tasks = BaseTasks(backbone.stage(stage).channels, n_base, tasks)

    def encode(self, images: Tensor) -> Features:
        return Features({self.stage: self.backbone(images)[self.stage]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> Tensor:
        """Tokens of the class maps, [B, N, m, C]; `n_way` saves looking the number of ways up in the labels."""
        tokens = map_tokens(support.maps[self.stage])
        with full_precision(tokens):
            return class_means(tokens, labels, n_way or ways_of(labels))

    def predict(self, query: Features, state: Tensor) -> Tensor:
        tokens = map_tokens(query.maps[self.stage])
        with full_precision(tokens):
            if self.cross is None:
                return self.scores(apart(state, tokens))
            return in_parts(lambda part: self.scores(self.pairs(state, part)), tokens)

    def pairs(self, class_tokens: Tensor, query_tokens: Tensor) -> Pairs:
        """The maps of every pair, after they have met."""
        pairs: Pairs = (self.cross or apart)(class_tokens, query_tokens)
        return pairs

    def scores(self, pairs: Pairs) -> Tensor:
        """Scores [B, Q, N]."""
        return cosine_scores(pairs.classes.mean(-2), pairs.queries.mean(-2), self.scale)

    def training_outputs(self, query: Features, state: Tensor, episode: Episode) -> Any:
        """`PatchOutputs`."""
        maps = query.maps[self.stage]
        with full_precision(maps):
            pairs = self.pairs(state, map_tokens(maps))
            local = self.scale * patch_cosines(pairs.classes.mean(-2), pairs.queries)  # [B, Q, N, m]
            true = true_pair_maps(pairs.queries, episode.query_labels, maps.shape[-2:])  # [B, Q, C, h, w]
            return PatchOutputs(local.unflatten(-1, maps.shape[-2:]), self.tasks(true))
