"""What the SpatialFormer family learns beside its metric: base classes and rotations, and how the losses add up.

Letters: B episodes, N ways, Q queries (four per picture where there are rotations), C channels, M base classes,
h w map size.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sccan.classification.parts.losses import LearnedWeights, map_focal_loss
from sccan.episodes.episode import Episode

ROTATIONS = 4
"""By 0, 90, 180 and 270 degrees, counter-clockwise."""
LEARNED_WEIGHTS = "*weights.scales"
"""Pattern of parameter names: the learned weights of losses, which published checkpoints do not hold."""


@dataclass(frozen=True)
class TaskSettings:
    """The tasks and the weights of their losses.

    Attributes:
        rotation: show every training query in four rotations, and learn to tell which.
        learned_weights: learn the weights of the base-class and the rotation loss.
        floor: of the learned weights (published: 1 for the pooled ResNet-12, 0.5 for the strided one, 2 and 1.5 for
            WRN-28-10, by method).
        gamma: of the focal losses; 0: plain cross-entropy.
        fixed_weight: of either loss where the weights are not learned.
        local_weight: of the episodic loss.
    """

    rotation: bool = True
    learned_weights: bool = True
    floor: float = 1.0
    gamma: float = 1.0
    fixed_weight: float = 1.0
    local_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.learned_weights and not self.rotation:
            raise ValueError("learned task weights balance two losses, but the rotation loss is off")


@dataclass(frozen=True)
class BaseLogits:
    """Logits of training queries at every position.

    Attributes:
        classes: over the base classes, [B, Q, M, h, w].
        rotations: [B, Q, 4, h, w]; None without the rotation task.
    """

    classes: Tensor
    rotations: Tensor | None


@dataclass(frozen=True)
class PatchOutputs:
    """What the losses need of a training batch.

    Attributes:
        local_scores: of the metric at every position, [B, Q, N, h, w].
        base: logits of the base tasks.
    """

    local_scores: Tensor
    base: BaseLogits


class BaseTasks(nn.Module):
    """Two 1x1 convolutions that classify every position, and the weights of their losses.

    The learned weights are part of the state here; the published code does not save them.
    """

    def __init__(self, channels: int, n_base: int, settings: TaskSettings | None = None) -> None:
        """
        Args:
            channels: C.
            n_base: M.
            settings: None: the defaults.
        """
        super().__init__()
        self.settings = settings = settings or TaskSettings()
        self.classifier = nn.Conv2d(channels, n_base, 1)
        self.rotation_classifier = nn.Conv2d(channels, ROTATIONS, 1) if settings.rotation else None
        self.weights = LearnedWeights(2, floor=settings.floor) if settings.learned_weights else None

    def forward(self, maps: Tensor) -> BaseLogits:
        """Logits of query maps [B, Q, C, h, w]."""
        flat, lead = maps.flatten(0, 1), maps.shape[:2]
        rotations = None
        if self.rotation_classifier is not None:
            rotations = self.rotation_classifier(flat).unflatten(0, lead)
        return BaseLogits(self.classifier(flat).unflatten(0, lead), rotations)

    def expanded(self, episode: Episode) -> Episode:
        """The episode to train on: with the rotation task, every query picture four times."""
        if not self.settings.rotation:
            return episode
        if episode.query_images is None:
            raise ValueError("rotations are of pictures, but the episode holds features")
        images, labels = rotated(episode.query_images), self.repeated(episode.query_labels)
        return dataclasses.replace(episode, query_images=images, query_labels=labels)

    def repeated(self, labels: Tensor) -> Tensor:
        """Labels of queries [B, Q] for the queries that are trained on."""
        return labels.repeat_interleave(ROTATIONS, dim=1) if self.settings.rotation else labels

    def losses(self, logits: BaseLogits, class_ids: Tensor) -> dict[str, Tensor]:
        """``global``, with rotations ``rotation``, and their weighted sum ``base``.

        Args:
            logits: of the queries that were trained on.
            class_ids: base class of every query picture, in [0, M), [B, Q before rotations].
        """
        targets, settings = self.repeated(class_ids).flatten(), self.settings
        losses = {"global": map_focal_loss(logits.classes.flatten(0, 1), targets, settings.gamma)}
        if logits.rotations is not None:
            turns = torch.arange(len(targets), device=targets.device) % ROTATIONS
            losses["rotation"] = map_focal_loss(logits.rotations.flatten(0, 1), turns, settings.gamma)
        if self.weights is not None:
            return losses | {"base": self.weights(*losses.values())}
        return losses | {"base": settings.fixed_weight * torch.stack(list(losses.values())).sum()}

    def patch_losses(self, outputs: PatchOutputs, ways: Tensor, class_ids: Tensor) -> dict[str, Tensor]:
        """Those of `losses`, the episodic one (``local``) and ``total``.

        Args:
            outputs: of a training batch.
            ways: of every query picture, [B, Q before rotations].
            class_ids: see `losses`.
        """
        losses = self.losses(outputs.base, class_ids)
        local = map_focal_loss(outputs.local_scores.flatten(0, 1), self.repeated(ways).flatten(), self.settings.gamma)
        total = losses.pop("base") + self.settings.local_weight * local
        return losses | {"local": local, "total": total}


def rotated(images: Tensor) -> Tensor:
    """Square pictures [B, Q, 3, H, H] in four rotations each, one after the other: [B, 4 * Q, 3, H, H].

    Raises ValueError: the pictures are not square.
    """
    height, width = images.shape[-2:]
    if height != width:
        raise ValueError(f"pictures of {height}x{width} change their shape in a rotation; give square ones")
    return torch.stack([images.rot90(turns, (-2, -1)) for turns in range(ROTATIONS)], dim=2).flatten(1, 2)


def base_class_ids(episode: Episode) -> Tensor:
    """Base class of every query, in [0, M), [B, Q]; class numbers of an episode count from 1."""
    return episode.classes.gather(1, episode.query_labels) - 1
