"""Training transforms for speed: one interpolation instead of two, bytes out, normalised later on the device.

The parameters are distributed as in the published chain; the pixels differ in rounding and interpolation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from sccan.backbones.pixels import MEAN
from sccan.episodes.index import IGNORE
from sccan.segmentation.data.transforms.published import Draws, draw_crop, foreground, pad_to

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read at import: no look for newer versions over the network

import albumentations

MEAN_BYTES = tuple(round(value) for value in MEAN)
BLUR_SIGMA = 1.1  # what OpenCV derives for a 5x5 kernel


@dataclass(frozen=True)
class FastTransform:
    """The published training chain as one affine warp of bytes and a blur, composed by albumentations.

    Attributes: see `PublishedTransform`.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.9, 1.1)
    max_angle: float = 10.0
    rotate: float = 0.5
    blur: float = 0.5
    flip: float = 0.5
    any_foreground: bool = False

    @cached_property
    def _chain(self) -> albumentations.Compose:
        blur = albumentations.GaussianBlur(blur_limit=(5, 5), sigma_limit=(BLUR_SIGMA, BLUR_SIGMA), p=self.blur)
        return albumentations.Compose([ScaleRotateFlipCrop(self), blur])

    def __call__(self, image: np.ndarray, label: np.ndarray, draws: Draws) -> tuple[Tensor, Tensor]:
        """Image uint8 [3, H, W] and label uint8 [H, W]."""
        self._chain.set_random_seed(draws.randint(0, 2**32 - 1))
        out = self._chain(image=image, mask=label)
        return torch.from_numpy(np.ascontiguousarray(out["image"].transpose(2, 0, 1))), torch.from_numpy(out["mask"])


class ScaleRotateFlipCrop(albumentations.DualTransform):
    """Scale, rotation, flip and crop as one matrix, so that every output pixel is interpolated once.

    The crop has to see how much foreground it holds, so the label is warped first, to the whole scaled picture; the
    image is then sampled for the chosen window only.
    """

    _targets = (albumentations.core.type_definitions.Targets.IMAGE, albumentations.core.type_definitions.Targets.MASK)

    def __init__(self, settings: FastTransform) -> None:
        super().__init__(p=1.0)
        self.settings = settings

    @property
    def targets_as_params(self) -> list[str]:
        return ["mask"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        settings, draws, label = self.settings, self.py_random, data["mask"]
        factor = settings.scale[0] + (settings.scale[1] - settings.scale[0]) * draws.random()
        angle = settings.max_angle * (2 * draws.random() - 1) if draws.random() < settings.rotate else 0.0
        flipped = draws.random() < settings.flip
        rows, columns = (max(round(side * factor), 1) for side in label.shape)
        matrix = _matrix(factor, angle, flipped, rows, columns)
        warped = cv2.warpAffine(label, matrix[:2], (columns, rows), flags=cv2.INTER_NEAREST, borderValue=IGNORE)
        before = [max(wanted - side, 0) // 2 for wanted, side in zip(settings.size, (rows, columns), strict=True)]
        _, warped = pad_to(warped, warped, settings.size)
        top, left = draw_crop(foreground(warped, any_value=settings.any_foreground), settings.size, draws)
        shift = before[0] - top, before[1] - left  # from the scaled picture to the window
        moved = np.array([[1, 0, shift[1]], [0, 1, shift[0]], [0, 0, 1]], np.float64) @ matrix
        window = np.ascontiguousarray(warped[top : top + settings.size[0], left : left + settings.size[1]])
        inside = [
            slice(max(start, 0), max(min(start + side, wanted), 0))
            for start, side, wanted in zip(shift, (rows, columns), settings.size, strict=True)
        ]
        return {"matrix": moved[:2], "window": window, "inside": tuple(inside)}

    def apply(self, img: np.ndarray, matrix: np.ndarray, inside: tuple[slice, slice], **params: Any) -> np.ndarray:
        # What a rotation moves beyond the scaled picture is cut off there, as in the published chain.
        rows, columns = inside
        matrix = matrix - np.array([[0, 0, columns.start], [0, 0, rows.start]])
        size = columns.stop - columns.start, rows.stop - rows.start
        warped = cv2.warpAffine(img, matrix, size, flags=cv2.INTER_LINEAR, borderValue=MEAN_BYTES)
        height, width = self.settings.size
        border = rows.start, height - rows.stop, columns.start, width - columns.stop
        return cv2.copyMakeBorder(warped, *border, cv2.BORDER_CONSTANT, value=MEAN_BYTES) if any(border) else warped

    def apply_to_mask(self, mask: np.ndarray, window: np.ndarray, **params: Any) -> np.ndarray:
        return window


def _matrix(factor: float, angle: float, flipped: bool, rows: int, columns: int) -> np.ndarray:
    """Source to scaled, rotated and flipped coordinates (x, y, 1), [3, 3]; pixel centres lie at whole numbers."""
    shift = (factor - 1) / 2  # pixel edges, not centres, are scaled
    matrix = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)
    if angle:
        turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, 1)
        matrix = np.vstack([turn, [0, 0, 1]]) @ matrix
    if flipped:
        matrix = np.array([[-1, 0, columns - 1], [0, 1, 0], [0, 0, 1]], np.float64) @ matrix
    return matrix
