"""TasNet: word vectors predicted for queries help pictures (Pan, Xin, Xia, Shen; Pattern Recognition 141, 2023).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, D size of a word vector, M named classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.clusters import cluster_centres, drawn_prototypes
from sccan.classification.heads import class_means, cosine_scores, full_precision, ways_of
from sccan.classification.word_learner import FitSettings, WordLearner, fit_word_learner
from sccan.episodes.episode import Episode, Features
from sccan.errors import InputError
from sccan.method import Method

PUBLISHED_NAMES = NameTable(
    [
        ("encoder.module.", "backbone."),
        ("encoder.", "backbone."),
        ("word_learner.fc1_w", "word_weight"),
        ("word_learner.fc1_b", "word_bias"),
        ("feat_learner.", "visual."),
    ],
    doubled=["word_learner.vars."],
)

Combination = Callable[[Tensor, Tensor, float], Tensor]
"""Visual vectors and words [..., D], and the visual share, to what is compared."""


@dataclass(frozen=True)
class TasNetState:
    """What TasNet keeps of B support sets.

    Attributes:
        learner: fitted to the words of each.
        words: of the classes, [B, N, D].
        prototypes: visual class means, [B, N, D].
        losses: of the fit, before every step, [steps, B].
    """

    learner: WordLearner
    words: Tensor
    prototypes: Tensor
    losses: Tensor


class TasNet(Method):
    """Support pictures have words by their class; a map fitted to them gives queries words of their own.

    Each episode starts from the stored map, so that episodes are independent of each other and fitted together;
    the published code carries the map from episode to episode, which `condition` does with ``start``. Only the visual
    layer learns between episodes; the backbone is frozen and the published one never used with the head.
    """

    word_weight: Tensor
    word_bias: Tensor
    class_words: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        word_size: int = 300,
        combine: Combination,
        cosine: bool = False,
        visual_share: float = 0.05,
        fit: FitSettings | None = None,
        unit_features: bool = False,
        transductive: bool = False,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: is frozen.
            word_size: D.
            combine: `fused` or `concatenated`.
            cosine: score by cosine (published for CUB, and for concatenation on tieredImageNet); otherwise by minus
                the squared distance.
            visual_share: of the fusion.
            fit: of the words.
            unit_features: in training, bring features to unit length first (published for concatenation).
            transductive: draw class means towards clusters of the queries, all of which `predict` must then be given.
            stage: the backbone's stage to average.
        """
        super().__init__()
        self.backbone, self.stage = backbone.freeze(), stage
        self.combine, self.cosine, self.visual_share = combine, cosine, visual_share
        self.fit, self.unit_features, self.transductive = fit or FitSettings(), unit_features, transductive
        channels = backbone.stage(stage).channels
        self.visual = nn.Linear(channels, word_size)
        self.register_buffer("word_weight", torch.randn(word_size, channels) * (2 / channels) ** 0.5)
        self.register_buffer("word_bias", torch.zeros(word_size))
        self.register_buffer("class_words", torch.empty(0, word_size), persistent=False)

    def know(self, words: Tensor) -> None:
        """Take the word vectors [M, D] of the classes that episodes will be made of, in their order.

        Raises InputError: they are of another size than the weights.
        """
        if words.shape[1:] != self.word_bias.shape:
            raise InputError(
                f"word vectors have {words.shape[-1]} numbers, but the weights are for {len(self.word_bias)}; choose "
                "the words that the checkpoint was trained with"
            )
        self.class_words = words.to(self.word_bias)

    def encode(self, images: Tensor) -> Features:
        """One vector per picture, as maps of a single cell."""
        maps = self.backbone(images)[self.stage].float().mean((-2, -1), keepdim=True)
        return Features({self.stage: maps}, (images.shape[-2], images.shape[-1]))

    def condition(
        self, support: Features, labels: Tensor, *, words: Tensor | None = None, start: WordLearner | None = None
    ) -> TasNetState:
        """The fitted map and the visual class means.

        Args:
            words: of the ways, [B, N, D]; None: way n is the n-th of the known classes.
            start: of the fit; None: the stored map.
        """
        features = self.vectors(support)
        n_batch = len(features)
        if words is None:
            words = self.class_words[: ways_of(labels)].expand(n_batch, -1, -1)
        with full_precision(features):
            own = words.gather(1, labels.unsqueeze(-1).expand(-1, -1, words.shape[-1]))  # [B, S, D]
            if start is None:
                start = WordLearner(self.word_weight.expand(n_batch, -1, -1), self.word_bias.expand(n_batch, -1))
            learner, losses = fit_word_learner(start, features, own, self.fit)
            prototypes = class_means(self.visual(features), labels, words.shape[1])
        return TasNetState(learner, words, prototypes, losses)

    def predict(self, query: Features, state: TasNetState) -> Tensor:
        features = self.vectors(query)
        with full_precision(features), torch.no_grad():
            query_words = state.learner(features)
        with full_precision(features):
            visual, prototypes = self.visual(features), state.prototypes
            if self.transductive:
                prototypes = self._drawn(prototypes.detach(), visual.detach())
            classes = self.combine(prototypes, state.words, self.visual_share)  # [B, N, D]
            queries = self.combine(visual, query_words, self.visual_share)  # [B, Q, D]
            if self.cosine:
                return cosine_scores(classes.unsqueeze(1), queries.unsqueeze(2), 1.0)
            return euclidean_scores(classes, queries)

    def forward(self, episode: Episode) -> Tensor:
        """Scores [B, Q, N], in training as well; class numbers of the episode count from 1."""
        support, query = self.encode_episode(episode)
        words = self.class_words[episode.classes - 1]
        return self.predict(query, self.condition(support, episode.support_labels, words=words))

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        return {"total": F.cross_entropy(outputs.flatten(0, 1), episode.query_labels.flatten())}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: the visual layer."""
        return {"model": list(self.visual.parameters())}

    def vectors(self, features: Features) -> Tensor:
        """What the layers see of pictures, [B, S, C] in float32."""
        vectors = features.maps[self.stage].float().flatten(2)
        return F.normalize(vectors, dim=-1) if self.unit_features and self.training else vectors

    def _drawn(self, prototypes: Tensor, visual: Tensor) -> Tensor:
        pairs = zip(prototypes, visual, strict=True)
        drawn = [drawn_prototypes(own, cluster_centres(every, len(own))) for own, every in pairs]
        return F.normalize(torch.stack(drawn), dim=-1)


def fused(visual: Tensor, words: Tensor, visual_share: float) -> Tensor:
    """The weighted sum of visual vectors and words."""
    return visual_share * visual + (1 - visual_share) * words


def concatenated(visual: Tensor, words: Tensor, visual_share: float) -> Tensor:
    """Both behind each other, at unit length together; the share plays no part."""
    return F.normalize(torch.cat([visual, words], dim=-1), dim=-1)


def euclidean_scores(classes: Tensor, queries: Tensor) -> Tensor:
    """Minus the squared distances of queries [B, Q, D] to classes [B, N, D]: [B, Q, N]."""
    return -(queries.unsqueeze(2) - classes.unsqueeze(1)).square().sum(-1)


def unit_pixels(images: Tensor) -> Tensor:
    """Normalised pictures [..., 3, H, W] with every pixel at unit length, as the published prototype baseline does."""
    return F.normalize(images, dim=-3)
