"""Transforms of a picture and its label: the published training chain, and resizing for validation and test.

Images are RGB on the 0-255 scale, labels uint8. Every random number comes from the generator passed in, in the
published order, so that recorded draws give recorded pictures.
Letters: H W size of the network's input, h w size of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sccan.backbones.pixels import MEAN, normalize
from sccan.episodes.index import IGNORE

Colour = tuple[float, float, float]
BLACK: Colour = (0.0, 0.0, 0.0)
CROP_KEEPS = 0.85
"""Share of the foreground that a random crop should hold."""
CROP_RETRIES = 31


class Draws(Protocol):
    """The two methods of `random.Random` that transforms draw with."""

    def random(self) -> float: ...

    def randint(self, a: int, b: int) -> int: ...


class TrainTransform(Protocol):
    """Turns a picture [h, w, 3] and its label [h, w], both uint8, into tensors [3, H, W] and [H, W].

    The image comes out as normalised float32, or as uint8 to be normalised on the device; the label as uint8.
    """

    def __call__(self, image: np.ndarray, label: np.ndarray, draws: Draws) -> tuple[Tensor, Tensor]: ...


class FixedTransform(Protocol):
    """A transform without random numbers, for testing; image and label can be had apart."""

    def image(self, image: np.ndarray) -> Tensor:
        """Normalised float32 [3, H, W] from uint8 [h, w, 3]."""

    def label(self, label: np.ndarray) -> np.ndarray:
        """uint8 [H, W] from uint8 [h, w]."""

    def content_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output that the picture fills, from the top left."""


def to_tensor(image: np.ndarray) -> Tensor:
    """Normalised float32 [3, H, W] from [H, W, 3] of any number type on the 0-255 scale."""
    return normalize(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float())


# Validation and test


@dataclass(frozen=True)
class KeepAspect:
    """Published validation resize (PFENet, BAM, SCCAN): the longer side to `size`, pasted at the top left of a square.

    Both sides are then rounded down to a multiple of 8, so at 473 the longer side has 472 pixels, and the canvas is
    black before normalisation although training pads with the mean; both as published.

    Attributes:
        size: height and width of the square.
        multiple: of the content's sides; 1 keeps the aspect as well as whole pixels can.
        enlarge: whether pictures smaller than the square grow (`published_test_resize` does not, nor rounds them).
        padding: colour of the canvas.
        canvas: number type of the image until it becomes a tensor.
    """

    size: int
    multiple: int = 8
    enlarge: bool = True
    padding: Colour = BLACK
    canvas: type[np.floating] = np.float32

    def content_size(self, height: int, width: int) -> tuple[int, int]:
        if not self.enlarge and max(height, width) <= self.size:
            return height, width
        ratio = self.size / max(height, width)
        sides = (self.size if side == max(height, width) else int(side * ratio) for side in (height, width))
        rows, columns = (max(side // self.multiple, 1) * self.multiple for side in sides)
        return rows, columns

    def resize(self, image: np.ndarray) -> np.ndarray:
        """The image on its canvas [size, size, 3], not normalised."""
        rows, columns = self.content_size(*image.shape[:2])
        canvas = np.full((self.size, self.size, 3), self.padding, self.canvas)
        resized = cv2.resize(image.astype(np.float32, copy=False), (columns, rows), interpolation=cv2.INTER_LINEAR)
        canvas[:rows, :columns] = resized
        return canvas

    def image(self, image: np.ndarray) -> Tensor:
        return to_tensor(self.resize(image))

    def label(self, label: np.ndarray) -> np.ndarray:
        rows, columns = self.content_size(*label.shape)
        canvas = np.full((self.size, self.size), IGNORE, np.uint8)
        canvas[:rows, :columns] = cv2.resize(label, (columns, rows), interpolation=cv2.INTER_NEAREST)
        return canvas


def published_test_resize(size: int) -> KeepAspect:
    """``test_Resize`` of the published code, which no released configuration uses: small pictures keep their size."""
    return KeepAspect(size, enlarge=False)


@dataclass(frozen=True)
class SquareResize:
    """HSNet's resize: both sides directly to `size`, the aspect is not kept; Pillow's bilinear filter for images."""

    size: int

    def content_size(self, height: int, width: int) -> tuple[int, int]:
        return self.size, self.size

    def image(self, image: np.ndarray) -> Tensor:
        resized = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BILINEAR)
        return to_tensor(np.asarray(resized))

    def label(self, label: np.ndarray) -> np.ndarray:
        return cv2.resize(label, (self.size, self.size), interpolation=cv2.INTER_NEAREST)


@dataclass(frozen=True)
class BilinearSquare(SquareResize):
    """The resize of the training-free methods: both sides directly, bilinear between the centres of pixels.

    Where it shrinks a picture nothing is averaged, unlike Pillow's filter.
    """

    def image(self, image: np.ndarray) -> Tensor:
        size = self.size, self.size
        return to_tensor(cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))


@dataclass(frozen=True)
class WithoutDraws:
    """A fixed transform in the place of a training transform."""

    fixed: FixedTransform

    def __call__(self, image: np.ndarray, label: np.ndarray, draws: Draws) -> tuple[Tensor, Tensor]:
        return self.fixed.image(image), torch.from_numpy(self.fixed.label(label))


# Training


@dataclass(frozen=True)
class PublishedTransform:
    """The published training chain: scale, rotate, blur, flip, crop, tensor, normalise, each a pass of its own.

    Attributes:
        size: height and width of the crop.
        scale: smallest and largest factor.
        max_angle: largest rotation either way, in degrees.
        rotate, blur, flip: probability of each.
        any_foreground: a crop should keep label values other than 0 and 255; as published it looks at value 1 alone,
            which in base training is the first base class.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.9, 1.1)
    max_angle: float = 10.0
    rotate: float = 0.5
    blur: float = 0.5
    flip: float = 0.5
    any_foreground: bool = False

    def __call__(self, image: np.ndarray, label: np.ndarray, draws: Draws) -> tuple[Tensor, Tensor]:
        pixels = image.astype(np.float32, copy=False)
        factor = self.scale[0] + (self.scale[1] - self.scale[0]) * draws.random()
        pixels, label = scale_by(pixels, label, factor)
        if draws.random() < self.rotate:
            angle = -self.max_angle + 2 * self.max_angle * draws.random()
            pixels, label = rotate_by(pixels, label, angle)
        if draws.random() < self.blur:
            pixels = cv2.GaussianBlur(pixels, (5, 5), 0)
        if draws.random() < self.flip:
            pixels, label = cv2.flip(pixels, 1), cv2.flip(label, 1)
        pixels, label = pad_to(pixels, label, self.size)
        top, left = draw_crop(foreground(label, any_value=self.any_foreground), self.size, draws)
        window = slice(top, top + self.size[0]), slice(left, left + self.size[1])
        return to_tensor(pixels[window]), torch.from_numpy(np.ascontiguousarray(label[window]))


def scale_by(image: np.ndarray, label: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Both resized by a factor; the factor itself, not the ratio of the rounded sizes, sets the sampling positions."""
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return image, cv2.resize(label, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)


def rotate_by(image: np.ndarray, label: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Both rotated by `angle` degrees around the centre at the same size; outside are the mean and 255."""
    height, width = label.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    image = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=MEAN
    )
    label = cv2.warpAffine(
        label, matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=IGNORE
    )
    return image, label


def pad_to(image: np.ndarray, label: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Both at least of `size`: the smaller half of what is missing before, with the mean and 255."""
    rows, columns = (max(wanted - side, 0) for wanted, side in zip(size, label.shape, strict=True))
    if rows or columns:
        border = rows // 2, rows - rows // 2, columns // 2, columns - columns // 2
        image = cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT, value=MEAN)
        label = cv2.copyMakeBorder(label, *border, cv2.BORDER_CONSTANT, value=IGNORE)
    return image, label


def foreground(label: np.ndarray, *, any_value: bool) -> np.ndarray:
    """Where a label is 1, or, with `any_value`, neither 0 nor 255."""
    return (label != 0) & (label != IGNORE) if any_value else label == 1


def draw_crop(wanted: np.ndarray, size: tuple[int, int], draws: Draws) -> tuple[int, int]:
    """Top and left of a random crop that should hold 85 % of the wanted pixels.

    Drawn again up to 31 times; the last crop is taken as it is.
    """
    spare = wanted.shape[0] - size[0], wanted.shape[1] - size[1]
    needed = CROP_KEEPS * np.count_nonzero(wanted)
    for _ in range(1 + CROP_RETRIES):
        top, left = draws.randint(0, spare[0]), draws.randint(0, spare[1])
        if np.count_nonzero(wanted[top : top + size[0], left : left + size[1]]) >= needed:
            break
    return top, left


def centre_crop(image: np.ndarray, label: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The middle of both, padded where they are smaller."""
    image, label = pad_to(image, label, size)
    top, left = (int((side - wanted) / 2) for side, wanted in zip(label.shape, size, strict=True))
    window = slice(top, top + size[0]), slice(left, left + size[1])
    return image[window], label[window]
