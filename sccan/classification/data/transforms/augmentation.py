"""The random part of the training transforms, for whole batches and where the pictures are.

The numbers of a batch (thirteen per picture) are drawn on the CPU together; applying them takes no loop over pictures
and does not wait for the device, so that pictures can stay there as bytes.
Letters: B episodes, P pictures per episode, n pictures, h w size of a stored picture, H W size of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sccan.classification.data.transforms.colour_jitter import check_strength, jitter_numbers, jittered
from sccan.classification.data.transforms.fixed import FILTERS, FixedTransform, constant
from sccan.classification.data.transforms.random_boxes import CROP_TRIES, erased_boxes, resized_crops
from sccan.classification.data.transforms.resampling import resized_parts
from sccan.errors import InputError, nearest

ERASE_FILL = (0.4914, 0.4822, 0.4465)
"""Written into the normalised picture as published, although these are means of pictures before that."""

CROPS = ("padded", "resized", "centre")
BOX, FLIPPED, ERASED, COLOURS = slice(0, 4), 4, slice(5, 9), slice(9, 13)
"""Columns of the numbers of a picture: the part to take (row, column, height, width; outside of the picture there are
zeros), whether to flip it, the rectangle to erase from the result, and the colours (see `jitter_numbers`)."""
COLUMNS = 13


@dataclass(frozen=True)
class Augmentation:
    """Crop, colour jitter, flip and random erasing; the defaults are CAN's.

    Attributes:
        crop: ``padded``: a part of the input's size, of the resized picture with zeros around it; ``resized``: a part
            of the picture itself of random size and ratio, resized (torchvision's random resized crop); ``centre``:
            what testing takes, nothing random.
        pad: zeros on every side before a padded crop, in pixels.
        scale: smallest and largest area of a resized crop, as a share of the picture.
        ratio: smallest and largest ratio of its width to its height.
        flip: probability of a left-right flip.
        erase: probability of erasing a rectangle.
        erase_fill: value of erased pixels per channel, after normalisation.
        jitter: largest change of brightness, contrast and saturation, as a share; 0: none.
        jitter_in_order: in this order, not in a random one.

    Raises InputError: unknown crop, unfit scale, or a negative jitter.
    """

    crop: str = "padded"
    pad: int = 8
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    erase: float = 0.5
    erase_fill: tuple[float, ...] = ERASE_FILL
    jitter: float = 0.0
    jitter_in_order: bool = False

    def __post_init__(self) -> None:
        check_strength(self.jitter)
        if self.crop not in CROPS:
            found = f"{self.crop!r}, expected one of {', '.join(CROPS)}"
            raise InputError(f"PICTURE.CROP is {found}{nearest(self.crop, CROPS)}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(
                f"PICTURE.SCALE is {self.scale}, expected the smallest and the largest share of a picture's area, "
                "above 0 and at most 1"
            )
        if self.pad < 0:
            raise InputError(f"PICTURE.PAD is {self.pad}, but must not be negative")
        if len(self.erase_fill) != 3:
            raise InputError(f"PICTURE.ERASE_FILL is {self.erase_fill}, expected one value per channel")

    def stored(self, picture: np.ndarray, fixed: FixedTransform) -> np.ndarray:
        """What of a picture uint8 [h, w, 3] the crop starts from."""
        made = {"padded": fixed.resized, "resized": fixed.ordered, "centre": fixed.pixels}
        return made[self.crop](picture)

    @property
    def margin(self) -> int:
        """Zeros on every side of what is stored."""
        return self.pad if self.crop == "padded" else 0

    def draw(self, sizes: np.ndarray, size: tuple[int, int], generators: Sequence[np.random.Generator]) -> Tensor:
        """Random numbers of the pictures of B episodes, int64 [B, P, 13].

        Args:
            sizes: heights and widths of the stored pictures, [B, P, 2].
            size: of the network's input.
            generators: one per episode, so that its numbers do not depend on the episodes beside it.
        """
        count = sizes.shape[1]

        def uniform(columns: int) -> np.ndarray:
            return np.concatenate([generator.random((count, columns)) for generator in generators])

        flat, numbers = sizes.reshape(-1, 2), uniform(2 * CROP_TRIES + 10)
        boxes, others = self._boxes(flat, size, numbers[:, 8:]), numbers[:, :8]
        flipped = (others[:, :1] < self.flip).astype(np.int64)
        erased = erased_boxes(size, others[:, 2:4], lambda: uniform(2), others[:, 1] < self.erase)
        colours = jitter_numbers(others[:, 4:], self.jitter, in_order=self.jitter_in_order)
        drawn = np.concatenate([boxes, flipped, erased, colours], 1)
        return torch.from_numpy(drawn).view(len(generators), count, COLUMNS)

    def _boxes(self, sizes: np.ndarray, size: tuple[int, int], uniform: np.ndarray) -> np.ndarray:
        if self.crop == "resized":
            return resized_crops(sizes, uniform, self.scale, self.ratio)
        corners = np.floor(uniform[:, :2] * (sizes - size + 2 * self.margin + 1)).astype(np.int64) - self.margin
        return np.concatenate([corners, np.broadcast_to(size, corners.shape)], 1)

    def cut(self, picture: np.ndarray, box: Sequence[int], fixed: FixedTransform) -> np.ndarray:
        """The part of one stored picture, resized, [H, W, 3]: for resized crops of pictures of different sizes."""
        row, column, height, width = box
        part = Image.fromarray(np.ascontiguousarray(picture[row : row + height, column : column + width]))
        return np.asarray(part.resize((fixed.size[1], fixed.size[0]), FILTERS[fixed.filter]))

    def apply(self, pixels: Tensor, drawn: Tensor, fixed: FixedTransform) -> Tensor:
        """Stored pictures as augmented, normalised images float32 [n, 3, H, W], on the device of both.

        Args:
            pixels: bytes [n, 3, h, w].
            drawn: numbers of `draw`, [n, 13].
        """
        boxes, flipped = drawn[:, BOX], drawn[:, FLIPPED]
        if self.crop == "resized":
            levels = resized_parts(pixels, boxes, flipped, fixed.size, fixed.filter)
        else:
            levels = padded_parts(pixels, boxes, flipped, fixed.size, self.margin)
        if self.jitter:
            levels = jittered(levels, drawn[:, COLOURS])
        images = fixed.normalize(levels)
        if not self.erase:
            return images
        fill = constant(self.erase_fill, pixels.device).view(-1, 1, 1)
        return torch.where(inside(drawn[:, ERASED], *fixed.size), fill, images)


def padded_parts(pixels: Tensor, boxes: Tensor, flipped: Tensor, size: tuple[int, int], pad: int) -> Tensor:
    """Parts of one size of bytes [n, 3, h, w] with `pad` zeros around them, flipped where `flipped` is 1."""
    height, width = size
    columns = torch.arange(width, device=pixels.device)
    columns = torch.where(flipped[:, None] == 1, width - 1 - columns, columns) + boxes[:, 1:2] + pad  # [n, W]
    rows = torch.arange(height, device=pixels.device) + boxes[:, :1] + pad  # [n, H]
    padded = F.pad(pixels, (pad, pad, pad, pad))
    places = (rows * padded.shape[-1])[:, :, None] + columns[:, None]  # [n, H, W]
    taken = padded.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, pixels.shape[1], -1))
    return taken.unflatten(2, size)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Whether pixels lie in boxes [n, 4]: [n, 1, H, W]."""
    row, column, rows, columns = (boxes[:, number, None] for number in range(4))
    y, x = (torch.arange(side, device=boxes.device) for side in (height, width))
    vertical = (y >= row) & (y < row + rows)  # [n, H]
    horizontal = (x >= column) & (x < column + columns)  # [n, W]
    return (vertical[:, :, None] & horizontal[:, None, :]).unsqueeze(1)
