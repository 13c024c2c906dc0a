"""From a stored picture to the network's input: a fixed resize with Pillow, and random transforms on whole batches.

The random part of a batch is drawn on the CPU (a few numbers per picture, from a generator that is passed in) and
applied where the pictures are, in one gather, so that pictures can stay on the device as bytes.
Letters: n pictures, H W size of the network's input.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sccan.classification.data.colour_jitter import check_strength, draw_jitter, jittered
from sccan.errors import InputError, nearest

ERASE_FILL = (0.4914, 0.4822, 0.4465)
"""Written into the normalised picture as published, although these are means of pictures before that."""

FILTERS: Mapping[str, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}

CONSTANTS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "miniimagenet": (
        (120.39586422 / 255, 115.59361427 / 255, 104.54012653 / 255),
        (70.68188272 / 255, 68.27635443 / 255, 72.54505529 / 255),
    ),
    "cifar": (
        (129.37731888 / 255, 124.10583864 / 255, 112.47758569 / 255),
        (68.20947949 / 255, 65.43124043 / 255, 70.45866994 / 255),
    ),
}
"""Mean and standard deviation of pictures in [0, 1] by name: ImageNet's; those of Gidaris and MetaOptNet for
miniImageNet; MetaOptNet's for CIFAR."""


@dataclass(frozen=True)
class FixedTransform:
    """What every picture goes through before anything random: resize, centre crop, order of channels.

    Attributes:
        size: height and width of the network's input.
        resize: height and width to bring the picture to first, aspect not kept; None: `size`. Must not be smaller.
        filter: ``bicubic`` or ``bilinear``, Pillow's (which smooths when it shrinks).
        channels: ``rgb``, or ``bgr`` for checkpoints that were trained on swapped channels.
        constants: name of mean and standard deviation, see `CONSTANTS`.

    Raises InputError: an unknown name, or a resize smaller than the crop.
    """

    size: tuple[int, int] = (84, 84)
    resize: tuple[int, int] | None = None
    filter: str = "bicubic"
    channels: str = "rgb"
    constants: str = "imagenet"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("FILTER", self.filter, FILTERS),
            ("CHANNELS", self.channels, ("rgb", "bgr")),
            ("CONSTANTS", self.constants, CONSTANTS),
        ):
            if value not in known:
                raise InputError(
                    f"PICTURE.{name} is {value!r}, expected one of {', '.join(known)}{nearest(value, known)}"
                )
        if self.resize is not None and (self.resize[0] < self.size[0] or self.resize[1] < self.size[1]):
            raise InputError(
                f"PICTURE.RESIZE {self.resize} is smaller than PICTURE.SIZE {self.size}, which is cut out of it"
            )

    def pixels(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 [h, w, 3] in RGB as bytes of the network's size, [H, W, 3]."""
        rows, columns = self.resize or self.size
        if picture.shape[:2] != (rows, columns):
            resized = Image.fromarray(picture).resize((columns, rows), FILTERS[self.filter])
            picture = np.asarray(resized)
        # torchvision's centre: half the rest, rounded to the nearest even number where it is a half.
        top, left = round((rows - self.size[0]) / 2), round((columns - self.size[1]) / 2)
        picture = picture[top : top + self.size[0], left : left + self.size[1]]
        return picture if self.channels == "rgb" else picture[..., ::-1]

    def __call__(self, picture: np.ndarray) -> Tensor:
        """The network's input without anything random, normalised float32 [3, H, W]."""
        pixels = torch.from_numpy(self.pixels(picture).copy())  # a picture of a read-only file is copied
        return self.normalize(pixels.unsqueeze(0))[0].contiguous()

    def normalize(self, pixels: Tensor) -> Tensor:
        """Bytes [n, H, W, 3] as float32 [n, 3, H, W], with mean 0 and deviation 1 over the constants' data set."""
        mean, deviation = (torch.tensor(values, device=pixels.device) for values in CONSTANTS[self.constants])
        return ((pixels.float() / 255 - mean) / deviation).movedim(-1, 1)


@dataclass(frozen=True)
class Augmentation:
    """The random part of CAN's training transform: crop out of a zero-padded picture, flip, erase; DMF's colour jitter.

    Attributes:
        pad: zeros on every side before the crop, in pixels.
        flip: probability of a left-right flip.
        erase: probability of erasing a rectangle.
        erase_fill: value of erased pixels per channel, after normalisation.
        jitter: largest change of brightness, contrast and saturation, as a share; 0: none.

    Raises InputError: the jitter is negative.
    """

    pad: int = 8
    flip: float = 0.5
    erase: float = 0.5
    erase_fill: tuple[float, ...] = ERASE_FILL
    jitter: float = 0.0

    def __post_init__(self) -> None:
        check_strength(self.jitter)

    def draw(self, size: tuple[int, int], count: int, generator: random.Random) -> Tensor:
        """Random numbers for `count` pictures of a size, int64 [count, 7], or [count, 11] with colour jitter.

        Columns: first row and column of the crop, flipped or not, the rectangle to erase (row, column, height,
        width), and those of `draw_jitter`.
        """
        drawn = []
        for _ in range(count):
            corner = [generator.randint(0, 2 * self.pad), generator.randint(0, 2 * self.pad)]
            flipped = int(generator.random() < self.flip)
            erased = erasing_box(generator, size, self.erase)
            colours = draw_jitter(generator, self.jitter) if self.jitter else []
            drawn.append([*corner, flipped, *erased, *colours])
        return torch.tensor(drawn).view(count, 11 if self.jitter else 7)

    def apply(self, pixels: Tensor, drawn: Tensor, fixed: FixedTransform) -> Tensor:
        """Bytes [n, H, W, 3] as normalised float32 [n, 3, H, W], by random numbers of `draw` on the same device."""
        count, height, width, _ = pixels.shape
        rows = drawn[:, 0:1] + torch.arange(height, device=pixels.device)  # [n, H]
        columns = torch.arange(width, device=pixels.device).expand(count, -1)
        columns = drawn[:, 1:2] + torch.where(drawn[:, 2:3] == 1, width - 1 - columns, columns)  # [n, W]
        padded = F.pad(pixels, (0, 0, self.pad, self.pad, self.pad, self.pad))
        which = torch.arange(count, device=pixels.device)[:, None, None]
        cropped = padded[which, rows[:, :, None], columns[:, None, :]]
        images = fixed.normalize(jittered(cropped, drawn[:, 7:]) if self.jitter else cropped)
        fill = torch.tensor(self.erase_fill, device=pixels.device).view(1, -1, 1, 1)
        return torch.where(_inside(drawn[:, 3:], height, width), fill, images)


def erasing_box(generator: random.Random, size: tuple[int, int], probability: float = 0.5) -> tuple[int, int, int, int]:
    """The rectangle that CAN's random erasing draws: row, column, height and width; all zero for none.

    Area uniform in [0.02, 0.4] of the picture, ratio uniform (not log-uniform) in [0.3, 1 / 0.3], and of up to 100
    tries the first that is smaller than the picture.
    """
    height, width = size
    if generator.uniform(0, 1) > probability:
        return 0, 0, 0, 0
    for _ in range(100):
        area = generator.uniform(0.02, 0.4) * height * width
        ratio = generator.uniform(0.3, 1 / 0.3)
        rows, columns = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if rows < height and columns < width:
            return generator.randint(0, height - rows), generator.randint(0, width - columns), rows, columns
    return 0, 0, 0, 0


def stack_pixels(pictures: Sequence[np.ndarray], fixed: FixedTransform) -> Tensor:
    """Pictures uint8 [h, w, 3] as one tensor of bytes of the network's size, [n, H, W, 3]."""
    return torch.from_numpy(np.stack([fixed.pixels(picture) for picture in pictures]))


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Whether pixels lie in boxes [n, 4]: [n, 1, H, W]."""
    row, column, rows, columns = (boxes[:, number, None] for number in range(4))
    y, x = (torch.arange(side, device=boxes.device) for side in (height, width))
    vertical = (y >= row) & (y < row + rows)  # [n, H]
    horizontal = (x >= column) & (x < column + columns)  # [n, W]
    return (vertical[:, :, None] & horizontal[:, None, :]).unsqueeze(1)
