"""DMF: dynamic meta-filters for few-shot classification (Xu, Fu, Liu, Wang, Li, Huang, Zhang, Xue; CVPR 2021).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, M base classes, h w map size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.flow import Flow, three_eighths_step
from sccan.attention.meta_filter import ClassFilters, MetaFilter
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.can import CANOutputs, can_losses
from sccan.classification.methods.way_method import WayMethod
from sccan.classification.parts.heads import EPSILON, class_means, full_precision, ways_of
from sccan.episodes.episode import Episode, Features

PUBLISHED_NAMES = NameTable(
    [
        ("base.", "backbone."),
        ("dw_gen.off_conv.", "meta_filter.offset."),
        ("dw_gen.kernel_conv.", "meta_filter.project."),
        ("global_clasifier.", "classifier."),  # spelled so in the published code
    ]
)


@dataclass(frozen=True)
class DMFState:
    """What DMF keeps of B support sets.

    Attributes:
        filters: what the meta-filters need of the class maps.
        kernels: one vector per class, [B, N, C].
    """

    filters: ClassFilters
    kernels: Tensor


class DMF(WayMethod):
    """Query maps pass through filters that each class makes for them, and are compared with a vector of the class.

    As published, query features are not normalised, class vectors are means of unit vectors, a border of zeros counts
    as positions of the map, and the global loss is on maps that were not filtered. The head always computes in
    float32; autocast reaches the backbone only.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        groups: int = 64,
        filter_size: int = 1,
        scrambled_taps: bool = False,
        ode: bool = True,
        flow: Flow = three_eighths_step,
        local_weight: float = 0.5,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split, for the global loss.
            groups: of channels that share a filter; see `MetaFilter`, also for the next three.
            filter_size: k.
            scrambled_taps: the published order of memory for filters larger than 1.
            ode: integrate the filter instead of applying it once.
            flow: integrator, see `sccan.attention.flow`.
            local_weight: weight of the local loss beside the global one.
            stage: the backbone's stage to use.

        Raises ValueError: the groups do not divide the stage's channels, or the filter size is even.
        """
        super().__init__()
        self.backbone, self.stage, self.local_weight = backbone, stage, local_weight
        channels = backbone.stages[stage].channels
        self.meta_filter = MetaFilter(
            channels, groups=groups, size=filter_size, scrambled=scrambled_taps, ode=ode, flow=flow
        )
        self.classifier = nn.Conv2d(channels, n_base, 1)

    def encode(self, images: Tensor) -> Features:
        return Features({self.stage: self.backbone(images)[self.stage]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> DMFState:
        """Class filters and vectors; `n_way` saves looking the number of ways up in the labels."""
        maps = self._maps(support)
        with full_precision(maps):
            class_maps = class_means(maps, labels, n_way or ways_of(labels))  # [B, N, C, h, w]
            kernels = F.normalize(class_maps, dim=2, eps=EPSILON).mean((-2, -1))
            return DMFState(self.meta_filter.prepare(class_maps), kernels)

    def predict(self, query: Features, state: DMFState) -> Tensor:
        return self.score_maps(query, state).mean((-2, -1))

    def score_maps(self, query: Features, state: DMFState) -> Tensor:
        """Scores at every position and on a border of zeros, [B, Q, N, h + 2, w + 2]."""
        maps = self._maps(query)
        with full_precision(maps):
            scores = self.meta_filter.scores(state.filters, maps, state.kernels)
        # The published correlation is a 1x1 convolution with padding 1.
        return F.pad(scores.transpose(1, 2), (1, 1, 1, 1))

    def training_outputs(self, query: Features, state: DMFState, episode: Episode) -> CANOutputs:
        """Score maps of the episode's classes, and logits of all base classes."""
        maps = self._maps(query)
        with full_precision(maps):
            logits = self.classifier(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        return CANOutputs(self.score_maps(query, state), logits)

    def loss(self, outputs: CANOutputs, episode: Episode) -> dict[str, Tensor]:
        """``global`` and ``local`` cross-entropies and their weighted sum.

        Class numbers of the episode count from 1; base class c is output channel c - 1.
        """
        class_ids = episode.classes.gather(1, episode.query_labels) - 1
        return can_losses(outputs, episode.query_labels, class_ids, self.local_weight)

    def _maps(self, features: Features) -> Tensor:
        """Maps [B, S, C, h, w] in float32."""
        return features.maps[self.stage].float()
