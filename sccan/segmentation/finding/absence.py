"""Is the class in the picture at all? Whatever was segmented is compared with the examples, feature by feature.

A few-shot network answers "where", not "whether": shown a picture without the class, it marks the thing that stands
out most, often with full confidence. What it marks can still be told from the class by the backbone's deepest
features. On the generated shapes (novel classes of fold 0, 150 pictures with the class and 150
without, one example each) the cosine of averaged features was higher with the class in 96 % of all pairs, the mask's
own confidence in 76 %, and how well the example could be predicted back from the answer in 75 %. Where a method cannot
find a class at all, nothing of this helps.

Letters: K shots, Q pictures, C channels, H W network's input, h w map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.episodes.episode import Features
from sccan.segmentation.parts.prototypes import masked_average_pooling

HALFWAY = 0.5
"""Where the threshold lies between the background of the examples (0) and their foreground (1)."""


@dataclass(frozen=True)
class ClassLikeness:
    """What a class looks like to the backbone, and how alike is alike enough.

    Attributes:
        prototype: mean over shots of the averaged features of the foreground, [C].
        background: cosine of the examples' background with the prototype.
        itself: cosine of each example's foreground with that of the others, on average; 1 with a single one.
    """

    prototype: Tensor
    background: float
    itself: float

    @property
    def threshold(self) -> float:
        """Halfway between background and class.

        On the shapes (fold 0 with one example, fold 1 with three): 8 and 2 % of the pictures with the class are
        flagged, and 78 % of those without it.
        """
        return self.background + HALFWAY * max(self.itself - self.background, 0.0)

    def of(self, pooled: Tensor) -> float:
        """Cosine of a region's summed or averaged features [C] with the class; 0 for nothing."""
        return float(F.cosine_similarity(pooled.float(), self.prototype, dim=0))

    def is_absent(self, pooled: Tensor) -> bool:
        """Whether a region, or none (zeros), is too unlike the class."""
        return self.of(pooled) < self.threshold


def class_likeness(support: Features, masks: Tensor) -> ClassLikeness:
    """Learn what a class looks like.

    Args:
        support: maps of the examples, [K, C, h, w] each; the deepest is used.
        masks: 1 foreground, 0 background, 255 ignored, [K, H, W].
    """
    foreground, background = (_averaged(support, masks == value) for value in (1, 0))  # [K, C]
    prototype = foreground.mean(0)
    others = (foreground.sum(0) - foreground) / max(len(foreground) - 1, 1)
    itself = F.cosine_similarity(foreground, others).mean() if len(foreground) > 1 else torch.ones(())
    return ClassLikeness(prototype, float(F.cosine_similarity(background, prototype[None]).mean()), float(itself))


def foreground_sums(query: Features, regions: Tensor) -> Tensor:
    """Features summed over a region of every picture, [Q, C]; those of a picture's tiles can be added.

    Args:
        query: maps [Q, C, h, w]; the deepest is used.
        regions: bool, [Q, H, W].
    """
    features = query.maps[query.deepest].float()
    return (features * _on_map(regions, features)).sum((-2, -1))


def _averaged(features: Features, regions: Tensor) -> Tensor:
    deepest = features.maps[features.deepest].float()
    return masked_average_pooling(deepest, _on_map(regions, deepest))


def _on_map(regions: Tensor, features: Tensor) -> Tensor:
    """Share of every cell that a region covers, [n, 1, h, w]."""
    size = (features.shape[-2], features.shape[-1])
    return F.interpolate(regions[:, None].float(), size, mode="area")
