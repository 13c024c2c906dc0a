"""One's own pictures: classes conditioned once on their examples, then found in any number of pictures.

Every class is an episode of its own; the classes of a picture meet in one label map. Maps come back at the picture's
own size, exactly on its pixels. Letters: N classes, K shots, Q pictures or tiles, V voters, T side of the network's
input, h w picture size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.episodes.episode import Features
from sccan.episodes.stacking import batched, joined
from sccan.errors import InputError
from sccan.faults import InHalves
from sccan.method import Method
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.data.transforms.published import FixedTransform
from sccan.segmentation.evaluation.shot_vote import VotingMethod
from sccan.segmentation.finding.absence import ClassLikeness, class_likeness, foreground_sums
from sccan.segmentation.finding.class_maps import ClassMaps
from sccan.segmentation.finding.tiles import Tile, tiles
from sccan.segmentation.methods.bam import BAM

WINS = 0.5
"""Probability above which a class wins over the background."""


@dataclass(frozen=True)
class Shot:
    """An annotated picture.

    Attributes:
        name: what it is called in messages.
        image: RGB uint8, [h, w, 3].
        label: 0 background, 1 .. N classes, 255 ignored, uint8 [h, w].
    """

    name: str
    image: np.ndarray
    label: np.ndarray


@dataclass(frozen=True, eq=False)
class EncodedShot:
    """An annotated picture whose features are kept.

    Attributes:
        name: what it is called in messages.
        features: of `Segmenting.as_example`, with a leading dimension of one.
        label: as that of `Shot`.
    """

    name: str
    features: Features
    label: np.ndarray


@dataclass(frozen=True)
class ClassState:
    """A class that has seen its examples.

    Attributes:
        method: what predicts (shots may vote).
        state: what it keeps of the examples.
        likeness: how a region must look to be of this class.
        cell: pixels of the network's input that a cell of the finest map stands for.
    """

    method: Method
    state: Any
    likeness: ClassLikeness
    cell: float


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says about a picture, at its own size: quick to have and small to keep.

    Attributes:
        margins: foreground less background of every class by every voter (mostly one), float32 [N, V, rows, columns]:
            the part of the output that shows the picture.
        sums: features summed over what each class won, [N, C]; those of a picture's tiles can be added.
    """

    margins: Tensor
    sums: Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a picture.

    Attributes:
        maps: probability of every class at every pixel, float32 [N, h, w].
        absent: of every class, whether what was marked is too unlike its examples, [N].
    """

    maps: ClassMaps
    absent: tuple[bool, ...]


class Segmenting:
    """A few-shot method applied to pictures of any size.

    Attributes:
        method: trained, in evaluation mode, on `device`.
        transform: from a picture to the network's input, and what part of that it fills.
        device: where the method is.
        autocast: gives the context in which the network runs, for lower precision.
        batch: pictures or tiles predicted together.
        tile: side of the tiles that larger pictures are cut into, in pixels; 0: never.
    """

    def __init__(
        self,
        method: Method,
        transform: FixedTransform,
        *,
        device: torch.device,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
        batch: int = 4,
        tile: int = 0,
    ) -> None:
        """Raises InputError: a tile too small to hold anything, or an empty batch."""
        if tile and tile < 32:
            raise InputError(f"tiles of {tile} pixels are too small; give at least 32, or 0 for none")
        if batch < 1:
            raise InputError(f"a batch of {batch} pictures is none; give at least 1")
        self.method, self.transform, self.device = method, transform, device
        self.autocast, self.batch, self.tile = autocast, batch, tile
        self._fitting = InHalves(device, "pictures or tiles")

    def condition(self, shots: Sequence[Shot], class_names: Sequence[str]) -> list[ClassState]:
        """Every class conditioned on the shots that show it; each picture is encoded once.

        Raises InputError: no shot shows a class, or so little of it that nothing is left at the network's size.
        """
        return self.condition_on([self.encoded(shot) for shot in shots], class_names)

    def encoded(self, shot: Shot) -> EncodedShot:
        """The shot with its features instead of its pixels."""
        return EncodedShot(shot.name, self.as_example(self.encode([shot.image]), lambda: shot.image), shot.label)

    def as_example(self, features: Features, image: Callable[[], np.ndarray]) -> Features:
        """Features of a picture as those of an example, which some methods look at more.

        Args:
            features: of the picture.
            image: gives its pixels, RGB uint8 [h, w, 3], if they are needed.
        """
        if not self.method.supports_differ:
            return features
        inputs = self.transform.image(image())[None].to(self.device)
        with torch.no_grad(), self.autocast():
            return self.method.as_support(features, inputs)

    def condition_on(
        self, shots: Sequence[EncodedShot], class_names: Sequence[str], *, absent: Sequence[Features] = ()
    ) -> list[ClassState]:
        """`condition` on features that are known already, with the same answers and errors.

        Args:
            shots: annotated pictures.
            class_names: of the labels 1 .. N.
            absent: features of pictures in which none of the classes is; methods that cannot learn from them do not.
        """
        features = [shot.features for shot in shots]
        labels = [self.transform.label(shot.label) for shot in shots]
        states = []
        for number, name in enumerate(class_names, 1):
            own = [place for place, shot in enumerate(shots) if (shot.label == number).any()]
            if not own:
                raise InputError(f"no example shows {name!r}; mark it in at least one picture")
            masks = [class_mask(labels[place], number) for place in own]
            for place, mask in zip(own, masks, strict=True):
                if not (mask == 1).any():
                    raise InputError(
                        f"the {name} in example {shots[place].name} is too small: nothing of it is left at the "
                        "network's input; mark a larger one, cut the picture, or raise the size"
                    )
            states.append(self._conditioned([features[place] for place in own], np.stack(masks), absent))
        return states

    def foreground(self, images: Sequence[np.ndarray], states: Sequence[ClassState]) -> list[np.ndarray]:
        """The maps of `segment` alone."""
        return [np.asarray(found.maps) for found in self.segment(images, states)]

    def segment(
        self, images: Sequence[np.ndarray], states: Sequence[ClassState], known: Features | None = None
    ) -> list[Found]:
        """Where every class is.

        Args:
            images: RGB uint8, [h, w, 3] each.
            states: of the N classes, from `condition`.
            known: features of the images, at most a batch, where there are no tiles; None: they are computed.
        """
        pieces: list[list[tuple[Tile, Tensor]]] = [[] for _ in images]
        sums: list[list[Tensor]] = [[] for _ in images]
        jobs = ((place, tile) for place, image in enumerate(images) for tile in tiles(_size(image), self.tile))

        def answered(group: Sequence[tuple[int, Tile]]) -> list[Answer]:
            parts = [tile.cut(images[place]) for place, tile in group]
            encoded = self.encode(parts) if known is None else known
            return self.answers(encoded, [_size(part) for part in parts], states)

        for group in batched(jobs, self.batch):
            found = self._fitting(answered, group) if known is None else [answered(group)]
            for (place, tile), answer in zip(group, chain.from_iterable(found), strict=True):
                pieces[place].append((tile, answer.margins))
                sums[place].append(answer.sums)
        totals = [torch.stack(own).sum(0) for own in sums]  # [N, C] each
        maps = [ClassMaps(self.at_size, own, _size(image)) for own, image in zip(pieces, images, strict=True)]
        return [Found(own, self.absent(total, states)) for own, total in zip(maps, totals, strict=True)]

    def _conditioned(self, features: Sequence[Features], masks: np.ndarray, absent: Sequence[Features]) -> ClassState:
        method = self.method
        if isinstance(method, BAM) and len(masks) not in (1, method.n_shot):
            method = VotingMethod(method)  # its network weighs another number of shots
        support = joined(features)
        labels = torch.from_numpy(masks).long().to(self.device)  # [K, H, W]
        likeness = class_likeness(support, labels)
        if method.learns_from_absence and absent:
            support = joined([*features, *absent])
            labels = torch.cat([labels, labels.new_zeros(len(absent), *labels.shape[1:])])
        with torch.no_grad(), self.autocast():
            state = method.condition(support.view(1, len(labels)), labels[None])
        height, width = support.image_size
        cell = height * width / max(one.shape[-2] * one.shape[-1] for one in support.maps.values())
        return ClassState(method, state, likeness, cell)

    def encode(self, images: Sequence[np.ndarray]) -> Features:
        """Features of whole pictures, RGB uint8 [h, w, 3] each; what `answers` works on, and `as_example` adds to."""

        def encoded(inputs: Sequence[Tensor]) -> Features:
            together = torch.stack(list(inputs)).to(self.device)
            with torch.no_grad(), self.autocast():
                return self.method.encode(together)

        return joined(self._fitting(encoded, [self.transform.image(image) for image in images]))

    def answers(
        self, encoded: Features, sizes: Sequence[tuple[int, int]], states: Sequence[ClassState]
    ) -> list[Answer]:
        """What `segment` computes before it turns to the pictures' pixels.

        Args:
            encoded: of `encode`, with one leading dimension.
            sizes: height and width of each picture.
            states: of the N classes.
        """
        query = encoded.view(1, len(sizes))
        margins, sums = [], []
        for state in states:
            with torch.no_grad(), self.autocast():
                logits = state.method.predict(query, state.state)[0].float()  # [Q, 2 V or 2, T, T]
            margins.append(logits.unflatten(1, (-1, 2)).diff(dim=2).squeeze(2))  # [Q, V, T, T]
            sums.append(foreground_sums(encoded, self.probability(margins[-1]).mean(1) > WINS))  # [Q, C]
        contents = [self.transform.content_size(*size) for size in sizes]
        return [
            Answer(
                torch.stack([one[place, :, :rows, :columns] for one in margins]), torch.stack([s[place] for s in sums])
            )
            for place, (rows, columns) in enumerate(contents)
        ]

    def at_size(self, margins: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Probability of every class at every pixel of a picture, float32 [N, h, w], from an answer's margins."""
        voters = margins.shape[1]
        whole = F.interpolate(margins.flatten(0, 1)[None], size=size, mode="bilinear", align_corners=False)[0]
        return self.probability(whole).unflatten(0, (-1, voters)).mean(1).cpu().numpy()

    def absent(self, sums: Tensor, states: Sequence[ClassState]) -> tuple[bool, ...]:
        """Of every class, whether what was marked, by its summed features [N, C], is too unlike the examples."""
        return tuple(state.likeness.is_absent(own) for state, own in zip(states, sums, strict=True))

    def probability(self, margin: Tensor) -> Tensor:
        """Above a half where the foreground wins. BAM's two answers are like probabilities already, not logits."""
        return ((1 + margin) / 2).clamp(0, 1) if isinstance(self.method, BAM) else margin.sigmoid()


def label_map(foreground: np.ndarray | ClassMaps, wins: float = WINS) -> np.ndarray:
    """One label per pixel: the class of the highest probability, 0 where none wins over the background; uint8 [h, w].

    Args:
        foreground: probability of every class, [N, h, w].
        wins: probability above which a class may win.
    """
    labels = np.zeros(foreground.shape[1:], np.uint8)
    best = np.full(foreground.shape[1:], wins, foreground.dtype)
    for number, probability in enumerate(foreground, 1):
        labels[probability > best] = number
        np.maximum(best, probability, out=best)
    return labels


def expected_iou(probability: np.ndarray, region: np.ndarray) -> float:
    """How sure a mask is: the IoU it would have on average if every pixel were foreground with its probability.

    The mean of the intersection over the mean of the union; 0 for an empty mask, 1 for one without any doubt.

    Args:
        probability: of the foreground, [h, w].
        region: the mask, bool [h, w].
    """
    inside = float(probability[region].sum(dtype=np.float64))
    outside = float(probability.sum(dtype=np.float64)) - inside
    union = int(np.count_nonzero(region)) + max(outside, 0.0)
    return min(inside / union, 1.0) if union > 0 else 0.0


def region_scores(
    foreground: np.ndarray | ClassMaps, labels: np.ndarray, class_names: Sequence[str]
) -> Mapping[str, Region]:
    """What a label map says about every class, by name."""
    found = {}
    for number, name in enumerate(class_names, 1):
        region, probability = labels == number, foreground[number - 1]
        pixels = int(np.count_nonzero(region))
        mean = float(probability[region].mean(dtype=np.float64)) if pixels else None
        found[name] = Region(pixels, pixels / labels.size, mean, expected_iou(probability, region))
    return found


@dataclass(frozen=True)
class Region:
    """A class in a picture.

    Attributes:
        pixels: that it won.
        share: of the picture.
        probability: mean over its pixels; None where there are none.
        confidence: `expected_iou` of its mask.
    """

    pixels: int
    share: float
    probability: float | None
    confidence: float


def _size(image: np.ndarray) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
