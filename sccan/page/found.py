"""What was found in a picture, small enough to keep for thousands: margins at the network's size, a line of facts.

    FOLDER/.sccan/found/NAME.png    margins of every class, one below the other, as 128 + 16 x margin; facts as its text

Margins are what probabilities are made of. Sixteen steps per unit put a probability near a half on a grid of 1.6 %; the
label map that is shown, accepted and exported is always made from what is kept, so that they are the same.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from sccan.errors import InputError
from sccan.files.structured import Count, Finite, parse_json
from sccan.files.writing import written_beside
from sccan.pictures.decoding import BROKEN
from sccan.report.pictures import resize_mask
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS
from sccan.segmentation.finding.segmenting import Segmenting, label_map

STEPS, MIDDLE = 16, 128
TEXT = "sccan"
LARGEST = 512
"""Longer side of the margins that are kept."""


ClassNumber = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_CLASS)]


@dataclass(frozen=True)
class Facts:
    """What is told about a picture without looking at its pixels.

    Attributes:
        round: in which search it was found.
        classes: numbers of the classes that were looked for.
        confidence: how sure the mask is, in [0, 1].
        absent: the classes that are probably not there.
        shares: share of the picture that each class has won.
        stamp: of the picture's file.
    """

    round: Count
    classes: tuple[ClassNumber, ...]
    confidence: Finite
    absent: tuple[ClassNumber, ...]
    shares: tuple[Finite, ...]
    stamp: tuple[int, ...]

    @property
    def nothing(self) -> bool:
        """Whether the picture probably shows none of the classes."""
        return len(self.absent) == len(self.classes)


@dataclass(frozen=True, eq=False)
class Kept:
    """What was found in a picture.

    Attributes:
        facts: see there.
        margins: uint8 [N, rows, columns], see the top of this file.
    """

    facts: Facts
    margins: np.ndarray

    def probabilities(self, task: Segmenting, size: tuple[int, int]) -> np.ndarray:
        """Of every class at every pixel, float32 [N, h, w]."""
        return task.at_size(decoded(self.margins), size)

    def labels(self, task: Segmenting, size: tuple[int, int], threshold: float) -> np.ndarray:
        """Label map by class numbers, uint8 [h, w]."""
        return self._numbered(label_map(self.probabilities(task, size), threshold))

    def small_labels(self, task: Segmenting, size: tuple[int, int], threshold: float) -> np.ndarray:
        """The same from what is kept alone, coarser and at once."""
        rows, columns = self.margins.shape[1:]
        return resize_mask(self._numbered(label_map(self.probabilities(task, (rows, columns)), threshold)), size)

    def _numbered(self, label: np.ndarray) -> np.ndarray:
        return np.array([0, *self.facts.classes], np.uint8)[label]


def coded(margins: Tensor) -> np.ndarray:
    """Margins of one voter [N, rows, columns] as uint8 of at most `LARGEST` rows and columns."""
    longest = max(margins.shape[-2:])
    if longest > LARGEST:
        size = tuple(max(1, round(side * LARGEST / longest)) for side in margins.shape[-2:])
        margins = torch.nn.functional.interpolate(margins[None], size=size, mode="bilinear", antialias=True)[0]
    return (margins * STEPS + MIDDLE).round().clamp(1, 255).byte().cpu().numpy()


def decoded(margins: np.ndarray) -> Tensor:
    """Margins of one voter, float32 [N, 1, rows, columns]."""
    return ((torch.from_numpy(margins).float() - MIDDLE) / STEPS)[:, None]


def write_kept(path: Path, kept: Kept) -> None:
    """Writes what was found. Raises InputError: the folder cannot be written."""
    text = PngImagePlugin.PngInfo()
    text.add_text(TEXT, json.dumps(asdict(kept.facts)))
    buffer = io.BytesIO()
    stacked = kept.margins.reshape(-1, kept.margins.shape[-1])
    Image.fromarray(stacked).save(buffer, "PNG", pnginfo=text, compress_level=1)
    with written_beside(path, durable=False) as beside:
        beside.write_bytes(buffer.getvalue())


def read_facts(path: Path) -> Facts | None:
    """The facts of what was found; None: nothing, or nothing that can be read."""
    try:
        with Image.open(path) as picture:
            return _facts(picture, path)
    except (*BROKEN, InputError):
        return None


def read_kept(path: Path) -> Kept | None:
    """What was found; None: nothing, or nothing that can be read. It can be computed again."""
    try:
        with Image.open(path) as picture:
            facts = _facts(picture, path)
            stacked = np.array(picture)
    except (*BROKEN, InputError):
        return None
    count = len(facts.classes)
    if stacked.ndim != 2 or stacked.dtype != np.uint8 or not count or len(stacked) % count:
        return None
    return Kept(facts, stacked.reshape(count, -1, stacked.shape[1]))


def _facts(picture: Image.Image, path: Path) -> Facts:
    """Raises InputError, or what Pillow raises: the picture holds none."""
    return parse_json(str(picture.info[TEXT]), Facts, str(path))
