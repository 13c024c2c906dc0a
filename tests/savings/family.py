"""SpatialFormer, CECNet, AMTNet: heads that apply a layer once per map, and form few maps of pairs or none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sccan.attention.element_connection import CLUSTERS
from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.methods.amtnet import AMTNet
from sccan.classification.methods.cecnet import CECNet
from sccan.classification.methods.spatialformer import TARGET, SpatialFormer
from sccan.classification.parts.base_tasks import TaskSettings
from sccan.episodes.episode import Episode, Features
from tests.classification.methods.plain_heads import (
    PairMaps,
    amtnet_outputs,
    cecnet_pairs,
    pair_scores,
    spatialformer_pairs,
    training_outputs,
)
from tests.savings.measure import Saving

WAYS = 5
TEST_QUERIES, TRAINING_QUERIES = 30, 10
PLAIN = TaskSettings(rotation=False, learned_weights=False)
"""Queries in one position each, so that there are as many as said."""
RECTIFIED = 2e-2
"""Difference of gradients where some of four million units lie so close to zero that rounding switches them."""
OUTSIDE = ("backbone.", "target.")
"""Beginnings of names of parameters that make the maps a head begins with."""
Head = SpatialFormer | CECNet | AMTNet
Maps = tuple[Features, Features, Episode]
"""Of supports and of queries, and the labels that belong to them."""


def spatialformer(small: bool) -> SpatialFormer:
    """Without dropout, whose random numbers would differ."""
    torch.manual_seed(0)
    return SpatialFormer(_backbone(small), tasks=PLAIN, dropout=0.0)


def cecnet(cluster: str, small: bool) -> CECNet:
    """With a connection by one kind of cluster and a distance by cosine clusters."""
    torch.manual_seed(0)
    return CECNet(_backbone(small), cluster=CLUSTERS[cluster], distance=CLUSTERS["cosine"], tasks=PLAIN)


def amtnet(small: bool) -> AMTNet:
    """With trained weights of its fusion."""
    torch.manual_seed(0)
    return AMTNet(_backbone(small), tasks=PLAIN)


def tested(name: str, make: Callable[[bool], SpatialFormer | CECNet], small: bool) -> Saving:
    """Scores of a test episode."""
    model = make(small).eval()
    support, query, episode = _inputs(model, small, TEST_QUERIES)

    @torch.inference_mode()
    def before() -> list[Tensor]:
        return [pair_scores(model, _plain_pairs(model, support, query, episode), episode)]

    @torch.inference_mode()
    def after() -> list[Tensor]:
        return [model.predict(query, model.condition_episode(support, episode))]

    return Saving(f"{name}, test, {_shape(query)}", before, after, tolerance=1e-5, memory=True)


def trained(name: str, make: Callable[[bool], Head], small: bool, *, tolerance: float = 1e-3) -> Saving:
    """Total loss, and gradients of maps and of weights that are matrices; those of some biases are rounding alone."""
    model = make(small).train()
    support, query, episode = _inputs(model, small, TRAINING_QUERIES)
    maps = [part.requires_grad_() for features in (support, query) for part in features.maps.values()]
    learned = (item for item in model.named_parameters() if not item[0].startswith(OUTSIDE))
    leaves = [*maps, *(value for _, value in learned if value.dim() > 1)]

    def loss(outputs: Any) -> Tensor:
        return model.loss(outputs, episode)["total"]

    def before() -> list[Tensor]:
        total = loss(_plain_outputs(model, support, query, episode))
        return [total.detach(), *torch.autograd.grad(total, leaves)]

    def after() -> list[Tensor]:
        total = loss(model.training_outputs(query, model.condition_episode(support, episode), episode))
        return [total.detach(), *torch.autograd.grad(total, leaves)]

    return Saving(f"{name}, training, {_shape(query)}", before, after, tolerance=tolerance, memory=True)


def _plain_pairs(model: SpatialFormer | CECNet, *inputs: *Maps) -> PairMaps:
    return spatialformer_pairs(model, *inputs) if isinstance(model, SpatialFormer) else cecnet_pairs(model, *inputs)


def _plain_outputs(model: Head, support: Features, query: Features, episode: Episode) -> Any:
    """What the model's loss takes."""
    height, width = query.maps[model.stage].shape[-2:]
    if isinstance(model, AMTNet):
        return amtnet_outputs(model, support, query, episode, (height, width))
    return training_outputs(model, _plain_pairs(model, support, query, episode), episode, (height, width))


def _inputs(model: Head, small: bool, queries: int) -> Maps:
    """A 5-way 1-shot episode, supports not in the order of their ways."""
    queries, size = (4, (3, 5)) if small else (queries, (11, 11))
    generator, channels = torch.Generator().manual_seed(1), model.backbone.stage(model.stage).channels
    names = [model.stage, TARGET] if isinstance(model, SpatialFormer) else [model.stage]
    support, query = (
        Features({name: torch.randn(1, n, channels, *size, generator=generator).relu() for name in names}, (84, 84))
        for n in (WAYS, queries)
    )
    labels = torch.arange(queries)[None] % WAYS
    classes = torch.arange(1, WAYS + 1)[None]
    return support, query, Episode(None, classes.flip(1) - 1, None, labels, classes, torch.tensor([0]))


def _backbone(small: bool) -> StridedResNet12:
    if small:
        return StridedResNet12(stem=4, widths=(4, 6, 8, 12))
    return StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2))


def _shape(query: Features) -> str:
    maps = next(iter(query.maps.values()))
    return f"{maps.shape[2]} x {maps.shape[3]} x {maps.shape[4]}, {maps.shape[1]} queries"


SAVINGS: dict[str, Callable[[bool], Saving]] = {
    "spatialformer-test": partial(tested, "SpatialFormer", spatialformer),
    "spatialformer-training": partial(trained, "SpatialFormer", spatialformer),
    "cecnet-transformer-test": partial(tested, "CECNet, transformer + cosine", partial(cecnet, "transformer")),
    "cecnet-transformer-training": partial(trained, "CECNet, transformer + cosine", partial(cecnet, "transformer")),
    "cecnet-cosine-test": partial(tested, "CECNet, cosine + cosine", partial(cecnet, "cosine")),
    "cecnet-cosine-training": partial(trained, "CECNet, cosine + cosine", partial(cecnet, "cosine")),
    "cecnet-gcn-test": partial(tested, "CECNet, gcn + cosine", partial(cecnet, "gcn")),
    "amtnet-training": partial(trained, "AMTNet", amtnet, tolerance=RECTIFIED),
}
