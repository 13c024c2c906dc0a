"""SCCAN: self-calibrated cross attention network for few-shot segmentation (Xu, Zhao, Lin, Long; ICCV 2023).

Letters: B episodes, K shots, Q queries, C channels, H W picture size, h w working grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sccan.attention.cross_transformer import BlockSupport, CrossTransformer
from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.pointwise import PointwiseConv2d
from sccan.segmentation.methods.training_free import TrainingFreeMethod
from sccan.segmentation.parts.heads import DENSE_HEAD_NAMES, DenseHead
from sccan.segmentation.parts.losses import dice_loss
from sccan.segmentation.parts.prior import PriorSupport, prior_support, softmax_prior
from sccan.segmentation.parts.prototypes import masked_average_pooling
from sccan.segmentation.parts.resize import resize
from sccan.segmentation.parts.working_features import down_projection, merge, merged_stages

_BLOCK = ("transformer.layers.0.blocks.{}.", "transformer.blocks.{}.")
_ATTENTION = {"attn_q.": "query_attention.", "attn_s.": "support_attention."}
_LINEAR = {"q.": "query.", "kv.": "key_value.", "proj.": "projection."}

# Beginnings of parameter names in published checkpoints, and ours; what is not listed is the same.
PUBLISHED_NAMES = NameTable(
    [
        ("backbone.body.", "backbone."),
        ("down_supp.", "down_support."),
        ("init_merge_query.0.", "merge_query."),
        ("init_merge_supp.0.", "merge_support."),
        *((_BLOCK[0] + p + q, _BLOCK[1] + o + r) for p, o in _ATTENTION.items() for q, r in _LINEAR.items()),
        (_BLOCK[0] + "mlp_q.", _BLOCK[1] + "query_mlp."),
        (_BLOCK[0] + "mlp_s.", _BLOCK[1] + "support_mlp."),
        _BLOCK,
        ("transformer.norm0.", "transformer.norm."),
        *DENSE_HEAD_NAMES,
    ]
)


@dataclass(frozen=True)
class SCCANState:
    """What SCCAN keeps of B support sets.

    Attributes:
        prototype: foreground prototype, mean over shots, [B, C].
        prior: support side of the prior mask.
        blocks: support side of every transformer block.
        told: what the method keeps that evidence comes from, where there is one.
    """

    prototype: Tensor
    prior: PriorSupport
    blocks: tuple[BlockSupport, ...]
    told: Any = None


class SCCAN(Method):
    """Frozen backbone, prior mask, self-calibrated cross transformer, ASPP head.

    The defaults are the published model. Departures that are possible and were not published: a working grid, window
    and depth of any size, pictures that are not square, backbones whose merged stages differ in size (they are
    brought to the size of the first), and evidence: a method that learns nothing says what it finds, the head sees that
    in place of the prior mask, and adds to its logits. Untrained, such a model is that method.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        channels: int = 256,
        grid: tuple[int, int] = (64, 64),
        window: int = 8,
        heads: int = 8,
        depth: int = 8,
        mlp_ratio: float = 1.0,
        merge_stages: Sequence[str] = ("layer2", "layer3"),
        prior_stage: str = "layer4",
        feature_dropout: float = 0.5,
        head_dropout: float = 0.1,
        aspp_dilations: Sequence[int] = (6, 12, 18),
        ignore_label: int | None = None,
        neck: nn.Module | None = None,
        evidence: TrainingFreeMethod | None = None,
        cut: float = 0.0,
    ) -> None:
        """
        Args:
            backbone: will be frozen.
            channels: C, of every map after the backbone.
            grid: height and width of the working grid, in cells.
            window: side of an attention window, in cells.
            heads: attention heads.
            depth: transformer blocks.
            mlp_ratio: hidden channels of the transformer's MLPs, as a multiple of `channels`.
            merge_stages: backbone stages whose maps are concatenated.
            prior_stage: backbone stage that the prior mask is computed from.
            feature_dropout: share of the channels of the merged maps dropped in training.
            head_dropout: share of the channels dropped before the last convolution in training.
            aspp_dilations: dilations of the ASPP's 3x3 branches, in cells.
            ignore_label: label left out of the loss; None counts ignored pixels as negatives, as published.
            neck: filter of the maps on the grid, support and queries alike, [n, C, h, w] to the same; not published.
            evidence: a method on the same backbone whose logits are added to; from now on it looks at examples once,
                as the head does. Not published.
            cut: margin of the logits above which a pixel is foreground when the model is asked; it learns without.
                Published: 0. Below 0 more is found, which pays where IoU is low: dice learns to answer when it is sure.

        Raises InputError: the backbone has no such stage, or `channels` is no multiple of `heads`.
        """
        super().__init__()
        self.merge_stages, self.prior_stage = tuple(merge_stages), prior_stage
        self.cut = cut
        self._evidence = (evidence,)  # out of the sight of torch: it has no weights but those of the backbone
        stages = {name: backbone.stage(name) for name in self._kept}
        self.backbone = backbone.freeze()
        self.grid, self.ignore_label = (grid[0], grid[1]), ignore_label
        merged = sum(stages[name].channels for name in merge_stages)
        self.down_query = down_projection(merged, channels, feature_dropout)
        self.down_support = down_projection(merged, channels, feature_dropout)
        self.merge_query = PointwiseConv2d(2 * channels + 1, channels, bias=False)
        self.merge_support = PointwiseConv2d(2 * channels + 1, channels, bias=False)
        self.transformer = CrossTransformer(channels, depth=depth, heads=heads, window=window, mlp_ratio=mlp_ratio)
        self.head = DenseHead(channels, dilations=aspp_dilations, dropout=head_dropout)
        self.neck = neck or nn.Identity()
        if evidence is not None:
            evidence.look_once()
            self.head.start_at_zero()

    @property
    def evidence(self) -> TrainingFreeMethod | None:
        """The method whose logits are added to."""
        return self._evidence[0]

    def encode(self, images: Tensor) -> Features:
        with torch.no_grad():
            maps = self.backbone(images)
        features = Features({name: maps[name] for name in self._kept}, (images.shape[-2], images.shape[-1]))
        if self.evidence is None:
            return features
        beside = self.evidence.beside(features, images)
        return Features({**features.maps, **beside}, features.image_size)

    def condition(self, support: Features, labels: Tensor) -> SCCANState:
        masks = self.support_masks(labels)
        support_map, mask, prototype = self.support_map(support, masks)
        # In float32 before it is enlarged: the prior stretches whatever was rounded.
        prior = prior_support(resize(support.maps[self.prior_stage].float(), self.grid), masks)
        told = None if self.evidence is None else self.evidence.condition(support, labels)
        return SCCANState(prototype, prior, self.transformer.condition(support_map, mask), told)

    def predict(self, query: Features, state: SCCANState) -> Tensor:
        logits = self._logits(query, state)
        return logits - logits.new_tensor([0.0, self.cut]).view(2, 1, 1) if self.cut else logits

    def training_outputs(self, query: Features, state: SCCANState, episode: Episode) -> Tensor:
        """The logits before they are cut."""
        return self._logits(query, state)

    def _logits(self, query: Features, state: SCCANState) -> Tensor:
        """What the head finds, added to what evidence says, [B, Q, 2, H, W]."""
        if self.evidence is None:
            return self._found(query, state, self.prior(query, state))
        told = self.evidence.predict(query, state.told).diff(dim=2)  # margins, [B, Q, 1, H, W]
        seen = resize(told.flatten(0, 1).sigmoid(), self.grid).unflatten(0, told.shape[:2])
        return self._found(query, state, seen) + torch.cat([-told / 2, told / 2], dim=2)

    def _found(self, query: Features, state: SCCANState, prior: Tensor) -> Tensor:
        """The head's logits [B, Q, 2, H, W], given a prior [B, Q, 1, h, w]."""
        query_map = self.query_map(query, state, prior)
        maps = self.transformer(query_map, state.blocks).flatten(0, 1).relu()  # [B*Q, C, h, w]
        logits = resize(self.head(maps), query.image_size)
        return logits.unflatten(0, query_map.shape[:2])

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        dice = dice_loss(outputs.flatten(0, 1), episode.query_labels.flatten(0, 1), ignore=self.ignore_label)
        return {"dice": dice, "total": dice}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``transformer``, and ``head``: every convolution around it."""
        named = [(name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad]
        inside = [parameter for name, parameter in named if name.startswith("transformer.")]
        outside = [parameter for name, parameter in named if not name.startswith("transformer.")]
        return {"head": outside, "transformer": inside}

    def prior(self, query: Features, state: SCCANState) -> Tensor:
        """Prior mask, mean over shots, [B, Q, 1, h, w] in [0, 1]."""
        shots = softmax_prior(query.maps[self.prior_stage], state.prior)  # [B, Q, K, h', w']
        return resize(shots.mean(2, keepdim=True), self.grid)

    def support_masks(self, labels: Tensor) -> Tensor:
        """Soft foreground masks on the grid [B, K, 1, h, w] of labels [B, K, H, W]; 255 counts as background."""
        return resize((labels == 1).float().unsqueeze(2), self.grid)

    def support_map(self, support: Features, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The support as the transformer sees it: one map per episode, a mean over shots.

        Args:
            support: maps [B, K, ...].
            masks: on the grid, [B, K, 1, h, w].

        Returns:
            Map [B, C, h, w], mask [B, 1, h, w] and prototype [B, C].
        """
        features = self._on_grid(support, self.down_support)  # [B, K, C, h, w]
        mask, prototype = masks.mean(1), masked_average_pooling(features, masks).mean(1)
        foreground = (features * masks).mean(1)
        return merge(self.merge_support, foreground, prototype, mask), mask, prototype

    def query_map(self, query: Features, state: SCCANState, prior: Tensor) -> Tensor:
        """The queries as the transformer sees them: features, prototype and prior mask merged, [B, Q, C, h, w]."""
        features = self._on_grid(query, self.down_query)  # [B, Q, C, h, w]
        prototype = state.prototype.unsqueeze(1).expand(features.shape[:3])
        parts = (part.flatten(0, 1) for part in (features, prototype, prior))
        return merge(self.merge_query, *parts).unflatten(0, features.shape[:2])

    @property
    def _kept(self) -> list[str]:
        """Stages that are used, each once."""
        told = () if self.evidence is None else self.evidence.cells.stages
        return list(dict.fromkeys((*self.merge_stages, self.prior_stage, *told)))

    def _on_grid(self, features: Features, down: nn.Module) -> Tensor:
        """Merged stages, reduced to C channels and brought to the grid, leading dimensions kept."""
        maps: Tensor = self.neck(resize(down(merged_stages(features, self.merge_stages)), self.grid))
        return maps.unflatten(0, features.maps[self.merge_stages[0]].shape[:2])
