"""From logits to counts: predictions at the size a protocol compares at, scored against the label there.

Letters: B episodes, T side of the network's square input, h w size of the original label, L = max(h, w), H W size of
the comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.episodes.episode import EpisodeSpec
from sccan.errors import InputError
from sccan.files.writing import write_bytes_atomically
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.data.labels.palette import indexed_png
from sccan.segmentation.data.sampling.pictures import Picture, PictureStore
from sccan.segmentation.data.transforms.published import FixedTransform
from sccan.segmentation.evaluation.iou import count_scores, episode_row
from sccan.segmentation.evaluation.shot_vote import decide
from sccan.segmentation.parts.resize import resize


class Comparison(Protocol):
    """Where prediction and label are compared."""

    def maps(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps of the network [C, T, T] for a picture of `size` (h, w), at the size of the comparison [C, H, W]."""

    def labels(self, label: np.ndarray) -> np.ndarray:
        """The original label [h, w] at that size, uint8 [H, W]."""

    def target(self, label: np.ndarray, number: int) -> np.ndarray:
        """Mask of class `number` in {0, 1, 255} from the original label [h, w], at that size, uint8 [H, W]."""


@dataclass(frozen=True)
class OnLabelSquare:
    """Published comparison of PFENet, BAM and SCCAN: the whole output is stretched over a square of side L.

    The label lies at the top left of that square and the rest is ignored, so only its h x w part is kept here: the
    counts are the same. Because the validation resize rounds sides down to a multiple of 8, the content ends up a few
    pixels off the label; kept, since published numbers have it. `ContentOnLabel` maps exactly.
    """

    def maps(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return on_square(maps, size)[:, : size[0], : size[1]]

    def labels(self, label: np.ndarray) -> np.ndarray:
        return label

    def target(self, label: np.ndarray, number: int) -> np.ndarray:
        return class_mask(label, number)


@dataclass(frozen=True)
class WholeOnLabel:
    """The whole output stretched over the label: what remains of `OnLabelSquare` where the resize pads nothing."""

    def maps(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return resize(maps, size)

    def labels(self, label: np.ndarray) -> np.ndarray:
        return label

    def target(self, label: np.ndarray, number: int) -> np.ndarray:
        return class_mask(label, number)


def on_square(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [C, T, T] stretched over the square of side L around a label of `size` (h, w), [C, L, L]."""
    side = max(size)
    return resize(maps, (side, side))


@dataclass(frozen=True)
class ContentOnLabel:
    """The part of the output that shows the picture, resized to exactly the label's size."""

    transform: FixedTransform

    def maps(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = self.transform.content_size(*size)
        content = maps[None, :, :rows, :columns]
        return F.interpolate(content, size=size, mode="bilinear", align_corners=False)[0]

    def labels(self, label: np.ndarray) -> np.ndarray:
        return label

    def target(self, label: np.ndarray, number: int) -> np.ndarray:
        return class_mask(label, number)


@dataclass(frozen=True)
class AtInputSize:
    """HSNet's comparison: at the size of the network's input, to which the label is resized."""

    transform: FixedTransform

    def maps(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return maps

    def labels(self, label: np.ndarray) -> np.ndarray:
        return self.transform.label(label)

    def target(self, label: np.ndarray, number: int) -> np.ndarray:
        return class_mask(self.labels(label), number)


@dataclass(frozen=True)
class LogitScore:
    """Rows (number, class, I_bg, I_fg, U_bg, U_fg) of a batch of predictions."""

    comparison: Comparison

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        """
        Args:
            outputs: logits [B, 1, 2, T, T], or [B, 1, 2 K, T, T] where K shots vote.
            specs: the B episodes.
            pictures: their query pictures, by number.

        Returns:
            int64 [B, 6], on the device of the logits.
        """
        return torch.stack([self._row(o, s, _query(s, pictures)) for o, s in zip(outputs, specs, strict=True)])

    def _row(self, output: Tensor, spec: EpisodeSpec, picture: Picture) -> Tensor:
        prediction = predict(output[0], picture, self.comparison)
        target = torch.from_numpy(self.comparison.target(picture.original_label, spec.classes[0]))
        return episode_row(spec.number, spec.classes[0], prediction, target.to(prediction.device))


@dataclass(frozen=True)
class HistogramScore:
    """Rows of `count_scores` of a batch of score maps in [0, 1], from which every threshold can be scored later."""

    comparison: Comparison
    bins: int = 100

    def __call__(self, outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture]) -> Tensor:
        """
        Args:
            outputs: scores [B, 1, T, T].

        Returns:
            int64 [B, 2 + 2 * bins].
        """
        return torch.stack([self._row(o, s, _query(s, pictures)) for o, s in zip(outputs, specs, strict=True)])

    def _row(self, output: Tensor, spec: EpisodeSpec, picture: Picture) -> Tensor:
        scores = self.comparison.maps(output.float(), picture.original_label.shape[:2])[0]
        target = torch.from_numpy(self.comparison.target(picture.original_label, spec.classes[0]))
        return count_scores(spec.number, spec.classes[0], scores, target.to(scores.device), self.bins)


def predict(logits: Tensor, picture: Picture, comparison: Comparison) -> Tensor:
    """Predicted labels at the size of the comparison, uint8 [H, W], from logits of a picture.

    Args:
        logits: [2, T, T], or [2 K, T, T] where K shots vote (`shot_vote`).
        picture: the query.
        comparison: where labels are compared.
    """
    height, width = picture.original_label.shape
    return decide(comparison.maps(logits.float(), (height, width)))


def _query(spec: EpisodeSpec, pictures: Mapping[int, Picture]) -> Picture:
    return pictures[spec.query[0][0]]


# Stored predictions


def prediction_path(folder: Path, number: int) -> Path:
    """Where the prediction of an episode is stored: ``000012.png`` for episode 12."""
    return folder / f"{number:06d}.png"


@dataclass(frozen=True)
class PredictionSink:
    """Stores predictions as label PNGs of the comparison's size: 0, and the class number on the foreground.

    A palette makes them viewable; scored from disk they give the digits they gave when they were made.
    """

    folder: Path
    comparison: Comparison

    def __call__(self, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Picture], outputs: Tensor) -> None:
        """Raises InputError: the folder cannot be written."""
        for spec, output in zip(specs, outputs, strict=True):
            foreground = predict(output[0], _query(spec, pictures), self.comparison).cpu().numpy()
            labels = foreground * np.uint8(spec.classes[0])
            write_bytes_atomically(prediction_path(self.folder, spec.number), indexed_png(labels))


def read_prediction(folder: Path, number: int, size: tuple[int, int]) -> np.ndarray:
    """A stored prediction as uint8 {0, 1} [H, W]; every value but 0 is foreground, so 0/1, 0/255 and class numbers do.

    Raises InputError: the file is missing, unreadable or not of the expected size.
    """
    path = prediction_path(folder, number)
    if not path.is_file():
        raise InputError(
            f"episode {number} has no prediction {path}; expected one PNG per episode, named by its number"
        )
    label = read_label(path)
    if label.shape != tuple(size):
        found = f"{label.shape[0]}x{label.shape[1]}"
        raise InputError(f"prediction {path} is {found} (height x width), but its label is {size[0]}x{size[1]}")
    return (label != 0).astype(np.uint8)


def score_stored(folder: Path, specs: Iterable[EpisodeSpec], store: PictureStore, comparison: Comparison) -> Tensor:
    """Rows [episodes, 6] of predictions stored by `PredictionSink`, or by anybody under the same names.

    Raises InputError: a prediction or a label is missing or unfit.
    """
    rows = []
    for spec in specs:
        label = read_label(store.index.label_path(spec.query[0][0]))
        target = comparison.target(label, spec.classes[0])
        height, width = target.shape
        prediction = read_prediction(folder, spec.number, (height, width))
        rows.append(episode_row(spec.number, spec.classes[0], torch.from_numpy(prediction), torch.from_numpy(target)))
    return torch.stack(rows)
