"""CAN: cross attention network for few-shot classification (Hou, Chang, Ma, Shan, Chen; NeurIPS 2019).

Letters: B episodes, N ways, S support pictures, Q queries, C channels, M base classes, h w map size, m = h * w.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sccan.attention.cross_attention import CrossAttentionModule
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.classification.methods.way_method import WayMethod
from sccan.classification.parts.heads import (
    class_sums,
    cosine_scores,
    full_precision,
    one_hot,
    pair_means,
    patch_cosines,
    ways_of,
)
from sccan.classification.parts.losses import map_cross_entropy
from sccan.episodes.episode import Episode, Features

PUBLISHED_NAMES = NameTable(
    [
        ("base.", "backbone."),
        ("cam.conv1.conv.", "attention.reduce."),
        ("cam.conv1.bn.", "attention.norm."),
        ("cam.conv2.", "attention.expand."),
        ("clasifier.", "classifier."),  # spelled so in the published code
    ]
)


@dataclass(frozen=True)
class CANState:
    """What CAN keeps of B support sets; sums, so that pseudo-labelled queries can be added.

    Attributes:
        sums: sum of the maps of every class, [B, N, C, m].
        counts: pictures in every sum, [B, N].
    """

    sums: Tensor
    counts: Tensor

    @property
    def class_maps(self) -> Tensor:
        """[B, N, C, m]."""
        return self.sums / self.counts[..., None, None]


@dataclass(frozen=True)
class CANOutputs:
    """What the losses need of a training batch.

    Attributes:
        local_scores: scaled cosines per position, [B, Q, N, h, w].
        global_logits: logits over all base classes per position, [B, Q, M, h, w].
    """

    local_scores: Tensor
    global_logits: Tensor


@dataclass(frozen=True)
class Round:
    """One round of transductive inference.

    Attributes:
        chosen: queries that joined the class means before this round, most confident first, [B, n].
        scores: [B, Q, N].
    """

    chosen: Tensor
    scores: Tensor


class CAN(WayMethod):
    """Class maps and query maps highlight each other pair by pair; a query belongs to the class of nearest mean.

    The head computes the published numbers without the published pair maps [B, Q, N, C, h, w]: pooled vectors are
    products of raw maps with attentions, and the local scores need no query attention at all (see
    `sccan.classification.parts.heads`). It always computes in float32, since a softmax of temperature 0.025 magnifies
    rounding; autocast reaches the backbone only.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        n_base: int = 64,
        map_size: tuple[int, int] = (6, 6),
        hidden: int | None = None,
        temperature: float = 0.025,
        scale: float = 7.0,
        local_weight: float = 0.5,
        transductive: bool = False,
        share: float = 35 / 75,
        stage: str = "layer4",
    ) -> None:
        """
        Args:
            backbone: will be trained with the rest.
            n_base: classes of the training split, for the global loss.
            map_size: height and width of the backbone's maps; the attention's weights are tied to their product.
            hidden: see `CrossAttentionModule`.
            temperature: of the attention.
            scale: factor of every cosine.
            local_weight: weight of the nearest-neighbour loss beside the global one.
            transductive: let `predict` learn from the queries of an episode, all of which it must then be given.
            share: of the queries, how many more join the class means in every transductive round.
            stage: the backbone's stage to use.

        Raises ValueError: `share` is not in (0, 1].
        """
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"the share of queries per transductive round is {share}, but must be in (0, 1]")
        self.backbone, self.stage, self.map_size = backbone, stage, map_size
        self.scale, self.local_weight = scale, local_weight
        self.transductive, self.share = transductive, share
        self.attention = CrossAttentionModule(map_size[0] * map_size[1], hidden=hidden, temperature=temperature)
        self.classifier = nn.Conv2d(backbone.stages[stage].channels, n_base, 1)

    def encode(self, images: Tensor) -> Features:
        return Features({self.stage: self.backbone(images)[self.stage]}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor, *, n_way: int | None = None) -> CANState:
        """Class sums; `n_way` saves looking the number of ways up in the labels."""
        return CANState(*class_sums(self._flat(support), one_hot(labels, n_way or ways_of(labels))))

    def predict(self, query: Features, state: CANState) -> Tensor:
        if not self.transductive:
            return self.scores(self._flat(query), state)
        *_, last = self.rounds(query, state)
        return last.scores

    def rounds(self, query: Features, state: CANState) -> Iterator[Round]:
        """Transductive inference: round 0 is inductive; before each further one, the surest queries join their classes.

        Every round starts from the true support again and chooses anew by the newest scores, over all queries and not
        per class, as published. With too few queries for a single one to be chosen there is only round 0.
        """
        maps = self._flat(query)
        n_query = maps.shape[1]
        scores = self.scores(maps, state)
        yield Round(torch.empty(len(maps), 0, dtype=torch.int64, device=maps.device), scores)
        step = int(n_query * self.share)
        for number in range(1, n_query // step + 1 if step else 1):
            confidence, labels = scores.max(-1)  # [B, Q]; the first of equal classes
            chosen = confidence.sort(dim=1, descending=True, stable=True).indices[:, : step * number]
            taken = torch.zeros_like(confidence).scatter(1, chosen, 1.0)
            sums, counts = class_sums(maps, one_hot(labels, scores.shape[-1]) * taken.unsqueeze(-1))
            scores = self.scores(maps, CANState(state.sums + sums, state.counts + counts))
            yield Round(chosen, scores)

    def scores(self, query_maps: Tensor, state: CANState) -> Tensor:
        """Inductive scores of queries [B, Q, C, m]: [B, Q, N]."""
        with full_precision(query_maps):
            class_maps = state.class_maps
            class_attention, query_attention = self.attention(class_maps, query_maps)  # [B, N, Q, m]
            class_vectors = pair_means(class_maps, class_attention).transpose(1, 2)  # [B, Q, N, C]
            query_vectors = pair_means(query_maps, query_attention.transpose(1, 2))  # [B, Q, N, C]
            return cosine_scores(class_vectors, query_vectors, self.scale)

    def training_outputs(self, query: Features, state: CANState, episode: Episode) -> CANOutputs:
        """Local scores and global logits.

        The true ways choose the attention under which a query is classified among all classes.
        """
        maps, labels = self._flat(query), episode.query_labels
        with full_precision(maps):
            class_maps = state.class_maps
            class_attention, query_attention = self.attention(class_maps, maps)  # [B, N, Q, m]
            vectors = pair_means(class_maps, class_attention).transpose(1, 2)  # [B, Q, N, C]
            local = self.scale * patch_cosines(vectors, maps.transpose(-1, -2).unsqueeze(2))  # [B, Q, N, m]
            index = labels[:, None, :, None].expand(-1, 1, -1, maps.shape[-1])
            attended = maps * query_attention.gather(1, index).transpose(1, 2)  # [B, Q, C, m]
            logits = self.classifier(attended.flatten(0, 1).unflatten(-1, self.map_size))
        return CANOutputs(local.unflatten(-1, self.map_size), logits.unflatten(0, labels.shape))

    def loss(self, outputs: CANOutputs, episode: Episode) -> dict[str, Tensor]:
        """``global`` and ``local`` cross-entropies and their weighted sum.

        Class numbers of the episode count from 1; base class c is output channel c - 1.
        """
        class_ids = episode.classes.gather(1, episode.query_labels) - 1
        return can_losses(outputs, episode.query_labels, class_ids, self.local_weight)

    def _flat(self, features: Features) -> Tensor:
        """Maps [B, S, C, m] in float32."""
        maps = features.maps[self.stage]
        if maps.shape[-2:] != self.map_size:
            raise ValueError(
                f"maps are {tuple(maps.shape[-2:])}, but the attention is for {self.map_size}: "
                f"pictures of {features.image_size} need another map_size, and weights trained with it"
            )
        return maps.flatten(-2).float()


def can_losses(outputs: CANOutputs, ways: Tensor, class_ids: Tensor, local_weight: float = 0.5) -> dict[str, Tensor]:
    """Losses of a batch of queries.

    Args:
        outputs: of B episodes with Q queries.
        ways: true way of every query, [B, Q].
        class_ids: true base class of every query, in [0, M), [B, Q].
        local_weight: weight of the nearest-neighbour loss.
    """
    total_global = map_cross_entropy(outputs.global_logits.flatten(0, 1), class_ids.flatten())
    total_local = map_cross_entropy(outputs.local_scores.flatten(0, 1), ways.flatten())
    return {"global": total_global, "local": total_local, "total": total_global + local_weight * total_local}
