"""BAM: a base learner tells a meta learner where the background is not background (Lang, Cheng, Tu, Han; CVPR 2022).

Letters: B episodes, K shots, Q queries, C channels, N base classes and background, H W picture size, h w map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, Features
from sccan.errors import InputError
from sccan.method import Method
from sccan.pointwise import PointwiseConv2d
from sccan.segmentation.methods.pspnet import STEM_NAMES
from sccan.segmentation.parts.gram import gram_matrix, scene_difference
from sccan.segmentation.parts.heads import DENSE_HEAD_NAMES, DenseHead
from sccan.segmentation.parts.losses import pixel_cross_entropy
from sccan.segmentation.parts.prior import PriorSupport, foreground_only, max_cosine_prior, prior_support
from sccan.segmentation.parts.prototypes import masked_average_pooling
from sccan.segmentation.parts.resize import resize
from sccan.segmentation.parts.working_features import down_projection, merge, merged_stages

# Beginnings of parameter names in published checkpoints, and ours; what is not listed is the same.
PUBLISHED_NAMES = NameTable(
    [
        *STEM_NAMES,
        ("layer{}.", "backbone.layer{}."),
        *((f"learner_base.0.features.{{}}.{old}.", f"base_head.branches.{{}}.{new}.") for old, new in ((1, 0), (2, 1))),
        ("learner_base.1.", "base_head.classify."),
        ("down_supp.", "down_support."),
        ("init_merge.0.", "merge."),
        *DENSE_HEAD_NAMES,
        ("gram_merge.", "ensemble.adjust."),
        ("cls_merge.", "ensemble.join."),
        ("kshot_rw.", "shot_weights.network."),
    ]
)


@dataclass(frozen=True)
class BAMState:
    """What BAM keeps of B support sets.

    Attributes:
        prototypes: foreground prototype of every shot, [B, K, C].
        prior: support side of the prior mask.
        grams: Gram matrix of every shot's scene, [B, K, C', C'].
        classes: the episodes' class numbers, [B]; None where they are not known.
    """

    prototypes: Tensor
    prior: PriorSupport
    grams: Tensor
    classes: Tensor | None = None

    def of_classes(self, classes: Tensor) -> BAMState:
        """The same state, with the class numbers [B, 1] of its episodes known."""
        return dataclasses.replace(self, classes=classes[:, 0])


@dataclass(frozen=True)
class BAMOutputs:
    """The three answers of BAM, of one size.

    Attributes:
        final: of the ensemble, [B, Q, 2, h, w]; values like probabilities, which the loss takes for logits.
        meta: logits of the meta learner, [B, Q, 2, h, w].
        base: logits of the base learner, [B, Q, N, h, w]; None in training where no loss asks for them.
    """

    final: Tensor
    meta: Tensor
    base: Tensor | None

    def resized(self, size: tuple[int, int]) -> BAMOutputs:
        """The same answers at another size."""
        return BAMOutputs(
            resize(self.final, size), resize(self.meta, size), None if self.base is None else resize(self.base, size)
        )


@dataclass(frozen=True)
class Evidence:
    """What the meta learner and the ensemble are told about every query.

    Attributes:
        difference: scene difference to every shot, [B, Q, K].
        weights: of the shots, [B, Q, K]; their sum is 1.
        prototype: weighted, [B, Q, C].
        prior: weighted, [B, Q, 1, h, w].
    """

    difference: Tensor
    weights: Tensor
    prototype: Tensor
    prior: Tensor

    @property
    def factor(self) -> Tensor:
        """Scene difference over all shots, [B, Q]."""
        return (self.weights * self.difference).sum(-1)


class BAM(Method):
    """Frozen backbone and base learner, a meta learner with the maximum-cosine prior, and their ensemble.

    The defaults are the published model on ResNets; for VGG-16 only the backbone differs. Departures: pictures and
    maps need not be square, batches may be tested, and the class of an episode is left out of the base map wherever it
    is a base class. The published code does so in training alone, where it tests no base class; a checkpoint that is
    chosen on episodes of base classes needs it in testing as well. Nothing changes for novel classes.
    """

    def __init__(
        self,
        backbone: Backbone,
        base_head: nn.Module,
        base_classes: Sequence[int],
        *,
        n_shot: int = 1,
        channels: int = 256,
        merge_stages: Sequence[str] = ("layer3", "layer2"),
        prior_stage: str = "layer4",
        scene_stage: str = "layer2",
        shot_channels: int = 2,
        feature_dropout: float = 0.5,
        head_dropout: float = 0.1,
        aspp_dilations: Sequence[int] = (6, 12, 18),
        base_dropout: bool = True,
        meta_weight: float = 1.0,
        base_weight: float = 1.0,
    ) -> None:
        """
        Args:
            backbone: the base learner's; will be frozen.
            base_head: from the map of `prior_stage` to logits of background and base classes; will be frozen.
            base_classes: class numbers of the data set, in the order of the base head's logits from 1 on.
            n_shot: shots that are weighed by a network; one shot needs none.
            channels: C, of every map after the backbone.
            merge_stages: backbone stages whose maps are concatenated, brought to the size of the first.
            prior_stage: stage that prior mask and base learner work on; of supports, it sees the foreground alone.
            scene_stage: stage whose Gram matrix stands for the scene.
            shot_channels: hidden channels of the network that weighs shots; 0: it is a single convolution.
            feature_dropout: share of the channels of the merged maps dropped in training.
            head_dropout: share of the channels dropped before the meta learner's last convolution in training.
            aspp_dilations: dilations of the ASPP's 3x3 branches, in cells.
            base_dropout: keep the channel dropout of the frozen base head active in training, as published.
            meta_weight, base_weight: of these losses beside the ensemble's.

        Raises InputError: the backbone has no such stage, or none before `prior_stage`.
        """
        super().__init__()
        self.merge_stages, self.prior_stage, self.scene_stage = tuple(merge_stages), prior_stage, scene_stage
        self.stage_before = backbone.stage_before(prior_stage)
        order = list(backbone.stages)
        stages = {name: backbone.stage(name) for name in self._kept}
        self.last_stage = max(stages, key=order.index)
        self.supports_stop = max((*merge_stages, scene_stage), key=order.index) in order[: order.index(prior_stage)]
        self.backbone = backbone.freeze()
        self.base_head = base_head.requires_grad_(False)
        self.base_dropout, self.meta_weight, self.base_weight = base_dropout, meta_weight, base_weight
        self.base_classes: Tensor
        self.register_buffer("base_classes", torch.tensor(tuple(base_classes)), persistent=False)
        merged = sum(stages[name].channels for name in merge_stages)
        self.down_query = down_projection(merged, channels, feature_dropout)
        self.down_support = down_projection(merged, channels, feature_dropout)
        self.merge = PointwiseConv2d(2 * channels + 1, channels, bias=False)
        self.head = DenseHead(channels, dilations=aspp_dilations, dropout=head_dropout)
        self.ensemble = Ensemble()
        self.n_shot = n_shot
        self.shot_weights = ShotWeights(n_shot, shot_channels) if n_shot > 1 else None

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.base_head.modules():
            module.training = mode and self.base_dropout and isinstance(module, nn.Dropout2d)
        return self

    def encode(self, images: Tensor) -> Features:
        with torch.no_grad():
            maps = self.backbone(images, last=self.last_stage)
        return Features({name: maps[name] for name in self._kept}, (images.shape[-2], images.shape[-1]))

    def encode_episode(self, episode: Episode) -> tuple[Features, Features]:
        """Supports go without the prior's stage: `condition` computes it of their foreground alone."""
        support, query = episode.support_images, episode.query_images
        ready = episode.support_features is not None and episode.query_features is not None
        if ready or not self.supports_stop or support is None or query is None or support.shape[2:] != query.shape[2:]:
            return super().encode_episode(episode)
        images = torch.cat([support.flatten(0, 1), query.flatten(0, 1)])
        with torch.no_grad():
            maps = self.backbone(images, last=self.stage_before)
            n_support = support.shape[:2].numel()
            deep = self.backbone.continued(self.prior_stage, maps[self.stage_before][n_support:])
        kept = {name: maps[name] for name in self._kept if name != self.prior_stage}
        first, rest = Features(kept, (images.shape[-2], images.shape[-1])).split(n_support)
        rest = dataclasses.replace(rest, maps={**rest.maps, self.prior_stage: deep})
        return first.view(*support.shape[:2]), rest.view(*query.shape[:2])

    def condition(self, support: Features, labels: Tensor) -> BAMState:
        """Raises InputError: the model weighs another number of shots."""
        n_shot = labels.shape[1]
        if n_shot not in (1, self.n_shot):
            raise InputError(
                f"this BAM weighs {self.n_shot} shots, but episodes have {n_shot}; set EPISODE.SHOTS to "
                f"{self.n_shot}, or train a model for {n_shot} shots"
            )
        masks = (labels == 1).float().unsqueeze(2)  # [B, K, 1, H, W]; 255 counts as background
        features = self._working(support, self.down_support)  # [B, K, C, h, w]
        prototypes = masked_average_pooling(features, resize(masks, _size(features)))
        foreground = self._masked(support, masks)
        prior = foreground_only(prior_support(foreground, resize(masks, _size(foreground))))
        return BAMState(prototypes, prior, gram_matrix(self._scene(support)))

    def predict(self, query: Features, state: BAMState) -> Tensor:
        return resize(self.answers(query, state).final, query.image_size)

    def condition_episode(self, support: Features, episode: Episode) -> BAMState:
        """The state knows the episode's class, which is then left out of the base map."""
        return self.condition(support, episode.support_labels).of_classes(episode.classes)

    def training_outputs(self, query: Features, state: BAMState, episode: Episode) -> BAMOutputs:
        """All answers, at the size of the pictures."""
        answers = self.answers(query, state)
        if episode.query_base_labels is None:  # N maps of the pictures' size, for a number that moves nothing
            answers = dataclasses.replace(answers, base=None)
        return answers.resized(query.image_size)

    def loss(self, outputs: BAMOutputs, episode: Episode) -> dict[str, Tensor]:
        """Cross-entropies ``final``, ``meta`` and, where the episode has base labels, ``base``; and ``total``.

        The base learner is frozen: its loss is a number to look at.
        """
        labels = episode.query_labels.flatten(0, 1)
        final = pixel_cross_entropy(outputs.final.flatten(0, 1), labels)
        meta = pixel_cross_entropy(outputs.meta.flatten(0, 1), labels)
        losses = {"final": final, "meta": meta, "total": final + self.meta_weight * meta}
        if outputs.base is not None and episode.query_base_labels is not None:
            losses["base"] = pixel_cross_entropy(outputs.base.flatten(0, 1), episode.query_base_labels.flatten(0, 1))
            losses["total"] = losses["total"] + self.base_weight * losses["base"]
        return losses

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``head``: everything that is trained."""
        return {"head": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def answers(self, query: Features, state: BAMState) -> BAMOutputs:
        """All three answers, at the size of the working features."""
        evidence = self.evidence(query, state)
        meta, base = self.meta_logits(query, evidence), self.base_logits(query)
        return BAMOutputs(self.ensemble(meta, self.base_map(base, state, _size(meta)), evidence.factor), meta, base)

    def prior(self, query: Features, state: BAMState) -> Tensor:
        """Prior mask, shots weighted, [B, Q, 1, h, w] in [0, 1]."""
        return self.evidence(query, state).prior

    def score_maps(self, query: Features, state: BAMState) -> dict[str, Tensor]:
        """What either learner takes for an object, and the smaller of both, [B, Q, 1, h, w] in [0, 1]; to look at."""
        meta, base = self.meta_logits(query, self.evidence(query, state)), self.base_logits(query)
        novel, known = meta.softmax(2)[:, :, 1:], self.base_map(base, state, _size(meta))
        return {"meta learner": novel, "base learner": known, "both claim it": torch.minimum(novel, known)}

    def evidence(self, query: Features, state: BAMState) -> Evidence:
        """Scene differences, and what the shots say, weighted by them."""
        grams = gram_matrix(self._scene(query))  # [B, Q, C', C']
        difference = scene_difference(grams.unsqueeze(2), state.grams.unsqueeze(1))  # [B, Q, K]
        if self.shot_weights is None or difference.shape[-1] == 1:
            weights = torch.ones_like(difference)
        else:
            weights = self.shot_weights(difference)
        prototype = weights @ state.prototypes  # [B, Q, C]
        first = query.maps[self.merge_stages[0]]
        shots = resize(max_cosine_prior(query.maps[self.prior_stage], state.prior), _size(first))  # [B, Q, K, h, w]
        prior = (weights[..., None, None] * shots).sum(2, keepdim=True)
        return Evidence(difference, weights, prototype, prior)

    def meta_logits(self, query: Features, evidence: Evidence) -> Tensor:
        """Logits of the meta learner, [B, Q, 2, h, w]."""
        features = self._working(query, self.down_query)
        parts = (part.flatten(0, 1) for part in (features, evidence.prototype, evidence.prior))
        return self.head(merge(self.merge, *parts).relu()).unflatten(0, features.shape[:2])

    def base_logits(self, query: Features) -> Tensor:
        """Logits of the base learner, [B, Q, N, h', w']."""
        maps = query.maps[self.prior_stage]
        with torch.no_grad():
            return self.base_head(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def base_map(self, logits: Tensor, state: BAMState, size: tuple[int, int]) -> Tensor:
        """Probability that a position shows a base class, the episode's own one left out, [B, Q, 1, h, w]."""
        probability = logits.float().softmax(2)[:, :, 1:]  # [B, Q, N - 1, h', w']
        if state.classes is not None:
            others = state.classes[:, None] != self.base_classes  # [B, N - 1]
            probability = probability * others[:, None, :, None, None]
        return resize(probability.sum(2, keepdim=True), size)

    @property
    def _kept(self) -> list[str]:
        """Stages that are used, each once."""
        return list(dict.fromkeys((*self.merge_stages, self.scene_stage, self.stage_before, self.prior_stage)))

    def _working(self, features: Features, down: nn.Module) -> Tensor:
        """Merged stages, reduced to C channels, leading dimensions kept."""
        maps: Tensor = down(merged_stages(features, self.merge_stages))
        return maps.unflatten(0, features.maps[self.merge_stages[0]].shape[:2])

    def _masked(self, support: Features, masks: Tensor) -> Tensor:
        """Maps of the prior's stage [B, K, C, h, w] that have seen nothing but the foreground."""
        before = support.maps[self.stage_before]
        masked = before * resize(masks, _size(before))
        with torch.no_grad():
            return self.backbone.continued(self.prior_stage, masked.flatten(0, 1)).unflatten(0, masked.shape[:2])

    def _scene(self, features: Features) -> Tensor:
        """The map whose Gram matrix stands for the scene; as large as the working features if it is one of theirs."""
        maps = features.maps[self.scene_stage]
        first = features.maps[self.merge_stages[0]]
        return resize(maps, _size(first)) if self.scene_stage in self.merge_stages else maps


class ShotWeights(nn.Module):
    """Weights of K shots from their scene differences, which a network sees in ascending order."""

    def __init__(self, n_shot: int, hidden: int) -> None:
        """
        Args:
            n_shot: K.
            hidden: channels between two convolutions; 0: a single one that starts as the mean.
        """
        super().__init__()
        self.network: nn.Module
        if hidden:
            self.network = nn.Sequential(nn.Conv2d(n_shot, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, n_shot, 1))
        else:
            self.network = nn.Conv2d(n_shot, n_shot, 1, bias=False)
            nn.init.constant_(self.network.weight, 1 / n_shot)

    def forward(self, difference: Tensor) -> Tensor:
        """Weights [B, Q, K] that add to 1, of differences [B, Q, K]."""
        ascending, order = difference.sort(dim=-1)
        logits = self.logits(ascending)
        return torch.zeros_like(logits).scatter(-1, order, logits).softmax(-1)

    def logits(self, ascending: Tensor) -> Tensor:
        """The network's answers to sorted differences, [B, Q, K]."""
        with torch.autocast(ascending.device.type, enabled=False):
            return self.network(ascending.flatten(0, 1)[..., None, None]).view_as(ascending)


class Ensemble(nn.Module):
    """Joins meta learner and base learner: two convolutions of two weights, which start as the meta learner alone."""

    def __init__(self) -> None:
        super().__init__()
        self.adjust = nn.Conv2d(2, 1, 1, bias=False)
        self.join = nn.Conv2d(2, 1, 1, bias=False)
        for convolution in (self.adjust, self.join):
            with torch.no_grad():
                convolution.weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))

    def forward(self, meta: Tensor, base_map: Tensor, factor: Tensor) -> Tensor:
        """The final answer [B, Q, 2, h, w] (BAM, Eq. 10 to 12).

        Args:
            meta: logits, [B, Q, 2, h, w].
            base_map: probability of a base class, [B, Q, 1, h, w].
            factor: scene difference, [B, Q].
        """
        lead = meta.shape[:2]
        with torch.autocast(meta.device.type, enabled=False):  # a handful of numbers that thresholds are compared with
            background, foreground = meta.float().flatten(0, 1).softmax(1).split(1, dim=1)  # [B * Q, 1, h, w] each
            scene = factor.flatten()[:, None, None, None].expand_as(background)
            background = self.adjust(torch.cat([background, scene], dim=1))
            foreground = self.adjust(torch.cat([foreground, scene], dim=1))
            background = self.join(torch.cat([background, base_map.flatten(0, 1)], dim=1))
            return torch.cat([background, foreground], dim=1).unflatten(0, lead)


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]
