"""BAM: what its supports need not be computed, what its prior need not compare, what its shots share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sccan.backbones.deep_stem import BAM_DILATIONS, DeepStemResNet
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.small import SmallResNet
from sccan.episodes.episode import Episode, Features
from sccan.method import Method
from sccan.segmentation.methods.bam import BAM
from sccan.segmentation.parts.heads import PyramidHead
from sccan.segmentation.parts.prior import foreground_only, max_cosine_prior, prior_support
from tests.savings.measure import Saving

N_BASE = 15
SHOTS = 5
FOREGROUND = 0.15


def encoded_episode(small: bool) -> Saving:
    """Supports without the prior's stage, which nothing reads before their masks have been applied."""
    model, generator = _model(small).train(), torch.Generator().manual_seed(1)
    side = 49 if small else 473
    images = torch.randn(1, 2, 3, side, side, generator=generator)
    labels = torch.ones(1, 1, side, side, dtype=torch.int64)
    episode = Episode(images[:, :1], labels, images[:, 1:], labels, torch.tensor([[1]]), torch.tensor([0]))

    def read(features: tuple[Features, Features]) -> list[Tensor]:
        """Everything of the query, and of the support what is not the prior's stage."""
        support, query = features
        kept = [maps for name, maps in support.maps.items() if name != model.prior_stage]
        return [*(query.maps[name] for name in sorted(query.maps)), *kept]

    return Saving(
        f"BAM, encode a 1-shot training episode, {side} px",
        lambda: read(Method.encode_episode(model, episode)),
        lambda: read(model.encode_episode(episode)),
        tolerance=1e-6 if small else 0.0,  # for maps of a few channels other kernels are chosen by the batch
    )


def foreground_prior(small: bool) -> Saving:
    """Cosines with the foreground alone."""
    channels, side = (16, 9) if small else (2048, 60)
    generator = torch.Generator().manual_seed(1)
    query, support = torch.randn(2, 1, 1, channels, side, side, generator=generator).relu()
    mask = torch.zeros(1, 1, 1, side * side)
    mask[..., : round(FOREGROUND * side * side)] = 1
    mask = mask.unflatten(-1, (side, side))
    return Saving(
        f"BAM, prior, {FOREGROUND:.0%} foreground, {channels} x {side} x {side}",
        lambda: [max_cosine_prior(query, prior_support(support, mask))],
        lambda: [max_cosine_prior(query, foreground_only(prior_support(support, mask)))],
        tolerance=1e-5,
    )


def base_head(small: bool) -> Saving:
    """The base learner looks at a query once, however many shots there are."""
    model, side = _model(small).eval(), 9 if small else 60
    generator = torch.Generator().manual_seed(1)
    channels = model.backbone.stage(model.prior_stage).channels
    maps = torch.randn(1, 1, channels, side, side, generator=generator).relu()
    query = Features({model.prior_stage: maps}, (8 * side, 8 * side))
    return Saving(
        f"BAM, base head of {SHOTS} shots, {channels} x {side} x {side}",
        lambda: [model.base_logits(query) for _ in range(SHOTS)],
        lambda: [model.base_logits(query)] * SHOTS,
        tolerance=0.0,
    )


def _model(small: bool) -> BAM:
    torch.manual_seed(0)
    if small:
        backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1), norm_layer=FrozenBatchNorm2d)
        head = PyramidHead(12, N_BASE + 1, channels=8, norm_layer=FrozenBatchNorm2d)
        return BAM(backbone, head, range(1, N_BASE + 1), channels=12, aspp_dilations=(1, 2))
    head = PyramidHead(2048, N_BASE + 1, norm_layer=FrozenBatchNorm2d)
    return BAM(DeepStemResNet(50, dilations=BAM_DILATIONS), head, range(1, N_BASE + 1))


SAVINGS: dict[str, Callable[[bool], Saving]] = {
    "bam-encode": encoded_episode,
    "bam-prior": foreground_prior,
    "bam-base-head": base_head,
}
