"""CAN: scores of a test episode without attended maps of pairs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.methods.can import CAN
from sccan.episodes.episode import Features
from tests.classification.made_up import small_can
from tests.classification.methods.plain_heads import can_scores
from tests.savings.measure import Saving

WAYS = 5


def episode_scores(small: bool) -> Saving:
    """A 5-way 1-shot episode."""
    torch.manual_seed(0)
    model, queries = (small_can(), 6) if small else (CAN(StridedResNet12()), 75)
    model.eval()
    channels = model.backbone.stage(model.stage).channels
    generator, labels = torch.Generator().manual_seed(1), torch.arange(WAYS)[None]
    maps = torch.randn(1, WAYS + queries, channels, *model.map_size, generator=generator).relu()
    support, query = (Features({model.stage: part}, (84, 84)) for part in (maps[:, :WAYS], maps[:, WAYS:]))
    flat = maps.flatten(-2)

    @torch.inference_mode()
    def before() -> list[torch.Tensor]:
        return [can_scores(model, flat[:, :WAYS], labels, flat[:, WAYS:])]

    @torch.inference_mode()
    def after() -> list[torch.Tensor]:
        return [model.predict(query, model.condition(support, labels))]

    height, width = model.map_size
    what = f"CAN's head, test, {channels} x {height} x {width}, {queries} queries"
    return Saving(what, before, after, tolerance=1e-5, calls=20)


SAVINGS: dict[str, Callable[[bool], Saving]] = {"can-test": episode_scores}
