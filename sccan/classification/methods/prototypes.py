"""Class means of picture vectors, and the classifier of base classes that trains a backbone for them.

The first two of TasNet's phases (Pan, Xin, Xia, Shen; Pattern Recognition 141, 2023): pre-training on all base classes
at once, and the prototype baseline beside which the words are judged.
Letters: B episodes, N ways, S support pictures, Q queries, C channels, M base classes.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.way_method import WayMethod
from sccan.classification.parts.base_tasks import base_class_ids
from sccan.classification.parts.clusters import drawn_to_clusters
from sccan.classification.parts.heads import class_means, euclidean_scores, full_precision, ways_of
from sccan.episodes.episode import Episode, Features

PUBLISHED_NAMES = NameTable([("encoder.module.", "backbone."), ("encoder.", "backbone."), ("pre_fc.0.", "classifier.")])


class Prototypes(WayMethod):
    """A query belongs to the class whose mean support vector is nearest to its own vector."""

    def __init__(
        self, backbone: Backbone, *, unit_pixels: bool = False, transductive: bool = False, stage: str = "layer4"
    ) -> None:
        """
        Args:
            backbone: is trained with the episodes' cross-entropy.
            unit_pixels: divide every normalised pixel by its length first, as the published baseline does.
            transductive: draw class means towards clusters of the queries, all of which `predict` must then be given.
            stage: the backbone's stage to average.
        """
        super().__init__()
        self.backbone, self.stage = backbone, stage
        self.unit_pixels, self.transductive = unit_pixels, transductive

    def encode(self, images: Tensor) -> Features:
        """One vector per picture, as maps of a single cell."""
        return pooled(self.backbone, self.stage, unit_pixels(images) if self.unit_pixels else images)

    def encode_episode(self, episode: Episode) -> tuple[Features, Features]:
        """As published, queries and supports are batches of their own, which matters to norms that learn."""
        if not self.training or episode.support_images is None or episode.query_images is None:
            return super().encode_episode(episode)
        query, support = (
            self.encode(images.flatten(0, 1)).view(*images.shape[:2])
            for images in (episode.query_images, episode.support_images)
        )
        return support, query

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> Tensor:
        """The class means, [B, N, C]; `n_way` saves looking the number of ways up in the labels."""
        vectors = support.maps[self.stage].float().flatten(2)
        with full_precision(vectors):
            return class_means(vectors, labels, n_way or ways_of(labels))

    def predict(self, query: Features, state: Tensor) -> Tensor:
        vectors = query.maps[self.stage].float().flatten(2)
        with full_precision(vectors):
            return euclidean_scores(drawn_to_clusters(state, vectors) if self.transductive else state, vectors)

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        return {"total": F.cross_entropy(outputs.flatten(0, 1), episode.query_labels.flatten())}


class BaseClassifier(Prototypes):
    """A linear classifier of all base classes, which trains the backbone; episodes are answered by class means."""

    def __init__(self, backbone: Backbone, *, n_base: int, transductive: bool = False, stage: str = "layer4") -> None:
        """`n_base`: M; the others are those of `Prototypes`."""
        super().__init__(backbone, transductive=transductive, stage=stage)
        self.classifier = nn.Linear(backbone.stage(stage).channels, n_base)

    def forward(self, episode: Episode) -> Any:
        """Scores [B, Q, N]; in training logits [B, Q, M] of the queries alone, whose episodes need no supports."""
        if not self.training:
            return super().forward(episode)
        assert episode.query_images is not None
        vectors = self.encode(episode.query_images.flatten(0, 1)).maps[self.stage].flatten(1)
        with full_precision(vectors):
            return self.classifier(vectors).unflatten(0, episode.query_labels.shape)

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        """Cross-entropy over the base classes."""
        return {"total": F.cross_entropy(outputs.flatten(0, 1), base_class_ids(episode).flatten())}


def pooled(backbone: Backbone, stage: str, images: Tensor) -> Features:
    """Means over the positions of a stage's maps, as maps of a single cell, in float32."""
    maps = backbone(images)[stage].float().mean((-2, -1), keepdim=True)
    return Features({stage: maps}, (images.shape[-2], images.shape[-1]))


def unit_pixels(images: Tensor) -> Tensor:
    """Normalised pictures [..., 3, H, W] with every pixel at unit length."""
    return F.normalize(images, dim=-3)
