"""TasNet: word vectors predicted for queries help pictures (Pan, Xin, Xia, Shen; Pattern Recognition 141, 2023).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, D size of a word vector, M named classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.prototypes import pooled
from sccan.classification.parts.clusters import drawn_to_clusters
from sccan.classification.parts.heads import class_means, cosine_scores, euclidean_scores, full_precision, ways_of
from sccan.classification.words.learner import FitSettings, WordLearner, fit_word_learner
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

    Each episode starts from the stored map, so that episodes are independent of each other and fitted together. The
    published code carries the map on from episode to episode, in training, validation and testing alike, so that an
    episode's answer depends on all those before it; `carry_over` does the same. Only the visual layer learns between
    episodes; the backbone is frozen and the published one never used with the head.
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
        scale: float = 1.0,
        visual_share: float = 0.05,
        fit: FitSettings | None = None,
        unit_in_training: bool = False,
        unit_in_evaluation: bool = False,
        transductive: bool = False,
        carry_over: bool = False,
        word_scale: float = 1.0,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: is frozen.
            word_size: D.
            combine: `fused` or `concatenated`.
            cosine: score by cosine (published for CUB, and for concatenation on tieredImageNet); otherwise by minus
                the squared distance.
            scale: of the cosines (published: none).
            visual_share: of the fusion.
            fit: of the words.
            unit_in_training: bring features to unit length first (published for concatenation).
            unit_in_evaluation: likewise in evaluation (published: never).
            transductive: draw class means towards clusters of the queries, all of which `predict` must then be given.
            carry_over: `condition_episode` takes episodes one after another and stores every fitted map, where the
                next one starts.
            word_scale: factor of the words that `know` is told; for CUB's attributes, percentages that would swamp
                the visual part.
            stage: the backbone's stage to average.
        """
        super().__init__()
        self.backbone, self.stage = backbone.freeze(), stage
        self.combine, self.cosine, self.visual_share = combine, cosine, visual_share
        self.scale, self.word_scale = scale, word_scale
        self.fit, self.transductive, self.carry_over = fit or FitSettings(), transductive, carry_over
        self.unit_in_training, self.unit_in_evaluation = unit_in_training, unit_in_evaluation
        channels = backbone.stage(stage).channels
        self.visual = nn.Linear(channels, word_size)
        self.register_buffer("word_weight", torch.randn(word_size, channels) * (2 / channels) ** 0.5)
        self.register_buffer("word_bias", torch.zeros(word_size))
        self.register_buffer("class_words", torch.empty(0, word_size), persistent=False)
        self.origin: dict[str, Any] = {}

    def know(self, words: Tensor, origin: Mapping[str, Any] | None = None) -> None:
        """Take the word vectors [M, D] of the classes that episodes will be made of, in their order.

        `origin` says what they are, for results.

        Raises InputError: they are of another size than the weights.
        """
        if words.shape[1:] != self.word_bias.shape:
            raise InputError(
                f"word vectors have {words.shape[-1]} numbers, but the weights are for {len(self.word_bias)}; choose "
                "the words that the checkpoint was trained with"
            )
        self.origin = dict(origin or {})
        self.class_words = self.word_scale * words.to(self.word_bias)

    def encode(self, images: Tensor) -> Features:
        """One vector per picture, as maps of a single cell."""
        return pooled(self.backbone, self.stage, images)

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
                prototypes = F.normalize(drawn_to_clusters(prototypes.detach(), visual.detach()), dim=-1)
            classes = self.combine(prototypes, state.words, self.visual_share)  # [B, N, D]
            queries = self.combine(visual, query_words, self.visual_share)  # [B, Q, D]
            if self.cosine:
                return cosine_scores(classes.unsqueeze(1), queries.unsqueeze(2), self.scale)
            return euclidean_scores(classes, queries)

    def condition_episode(self, support: Features, episode: Episode) -> TasNetState:
        """With the words of the episode's classes, whose numbers count from 1."""
        words, labels = self.class_words[episode.classes - 1], episode.support_labels
        if not self.carry_over:
            return self.condition(support, labels, words=words)
        states = []
        for number in range(len(labels)):
            one = slice(number, number + 1)
            maps = Features({self.stage: support.maps[self.stage][one]}, support.image_size)
            states.append(self.condition(maps, labels[one], words=words[one]))
            self.word_weight.copy_(states[-1].learner.weight[0])
            self.word_bias.copy_(states[-1].learner.bias[0])
        weight, bias = (torch.cat([getattr(state.learner, name) for state in states]) for name in ("weight", "bias"))
        return TasNetState(
            WordLearner(weight, bias),
            words,
            torch.cat([state.prototypes for state in states]),
            torch.cat([state.losses for state in states], dim=1),
        )

    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        return {"total": F.cross_entropy(outputs.flatten(0, 1), episode.query_labels.flatten())}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group, ``model``: the visual layer."""
        return {"model": list(self.visual.parameters())}

    def vectors(self, features: Features) -> Tensor:
        """What the layers see of pictures, [B, S, C] in float32."""
        vectors = features.maps[self.stage].float().flatten(2)
        unit = self.unit_in_training if self.training else self.unit_in_evaluation
        return F.normalize(vectors, dim=-1) if unit else vectors


def fused(visual: Tensor, words: Tensor, visual_share: float) -> Tensor:
    """The weighted sum of visual vectors and words."""
    return visual_share * visual + (1 - visual_share) * words


def concatenated(visual: Tensor, words: Tensor, visual_share: float) -> Tensor:
    """Both behind each other, at unit length together; the share plays no part."""
    return F.normalize(torch.cat([visual, words], dim=-1), dim=-1)
