"""From a stored picture to the network's input without anything random: resize with Pillow, centre, normalise.

Letters: n pictures, h w size of a stored picture, H W size of the network's input.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sccan.errors import InputError, nearest

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
    "cifar_dmf": ((0.507, 0.487, 0.441), (0.267, 0.256, 0.276)),
    "cifar_rfs": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}
"""Mean and standard deviation of pictures in [0, 1] by name: ImageNet's; those of Gidaris and MetaOptNet for
miniImageNet; MetaOptNet's, DMF's and RFS's for CIFAR."""


@dataclass(frozen=True)
class FixedTransform:
    """What every picture goes through before anything random: resize, centre crop, order of channels.

    Attributes:
        size: height and width of the network's input.
        resize: height and width to bring the picture to first, aspect not kept; one number: its shorter side, aspect
            kept; None: `size`. Must not be smaller than `size`.
        filter: ``bicubic`` or ``bilinear``, Pillow's (which smooths when it shrinks).
        channels: ``rgb``, or ``bgr`` for checkpoints that were trained on swapped channels.
        constants: name of mean and standard deviation, see `CONSTANTS`.
        square: cut the largest square out of the picture's middle before anything else (TasNet's preparation).

    Raises InputError: an unknown name, or a resize smaller than the crop.
    """

    size: tuple[int, int] = (84, 84)
    resize: tuple[int, ...] | None = None
    filter: str = "bicubic"
    channels: str = "rgb"
    constants: str = "imagenet"
    square: bool = False

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
        if self.resize is None:
            return
        if len(self.resize) not in (1, 2):
            raise InputError(
                f"PICTURE.RESIZE is {self.resize}, expected height and width, or one number for the shorter side"
            )
        least = self.size if len(self.resize) == 2 else (max(self.size),)
        if any(side < wanted for side, wanted in zip(self.resize, least, strict=True)):
            raise InputError(
                f"PICTURE.RESIZE {self.resize} is smaller than PICTURE.SIZE {self.size}, which is cut out of it"
            )

    def resized_size(self, height: int, width: int) -> tuple[int, int]:
        """What the resize makes of a picture's height and width."""
        if self.resize is None:
            return self.size
        if len(self.resize) == 2:
            return self.resize[0], self.resize[1]
        shorter, wanted = min(height, width), self.resize[0]
        longer = int(wanted * max(height, width) / shorter)  # cut off, as torchvision does
        return (wanted, longer) if height <= width else (longer, wanted)

    def ordered(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 [h, w, 3] in RGB with the network's order of channels."""
        return picture if self.channels == "rgb" else picture[..., ::-1]

    def resized(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 [h, w, 3] in RGB, resized and in the network's order of channels, before the centre crop."""
        if self.square:
            side = min(picture.shape[:2])
            top, left = (whole // 2 - side // 2 for whole in picture.shape[:2])
            picture = picture[top : top + side, left : left + side]
        rows, columns = self.resized_size(*picture.shape[:2])
        if picture.shape[:2] != (rows, columns):
            picture = np.asarray(Image.fromarray(picture).resize((columns, rows), FILTERS[self.filter]))
        return self.ordered(picture)

    def pixels(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 [h, w, 3] in RGB as bytes of the network's size, [H, W, 3]."""
        resized = self.resized(picture)
        # torchvision's centre: half the rest, rounded to the nearest even number where it is a half.
        top, left = (round((whole - part) / 2) for whole, part in zip(resized.shape, self.size, strict=False))
        return resized[top : top + self.size[0], left : left + self.size[1]]

    def __call__(self, picture: np.ndarray) -> Tensor:
        """The network's input without anything random, normalised float32 [3, H, W]."""
        return self.normalize(planes([self.pixels(picture)]))[0]

    def normalize(self, pixels: Tensor) -> Tensor:
        """Bytes, or as many levels in float32, [n, 3, H, W] as float32 of mean 0 and deviation 1 over the data set."""
        mean, deviation = (constant(values, pixels.device).view(-1, 1, 1) for values in CONSTANTS[self.constants])
        return (pixels / 255).sub_(mean).div_(deviation)


@functools.cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A few float32 numbers on a device, brought there once: making them anew would wait for the device each time."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device)


def planes(pictures: Sequence[np.ndarray]) -> Tensor:
    """Pictures uint8 [h, w, 3] of one size as one tensor of bytes, plane after plane, [n, 3, h, w]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
