"""Crops near objects with strong augmentation: what trains a small backbone on a few hundred pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sccan.segmentation.data.transforms.published import Draws, foreground, pad_to


@dataclass(frozen=True)
class CropsNearObjects:
    """Strong augmentation for training a small backbone on few pictures: object crops, quarter turns, colours.

    Attributes:
        size: height and width of the crop; larger than the picture: padded.
        near_object: share of crops whose centre is drawn near a labelled pixel.
        quarter_turns: turn by a random multiple of 90 degrees (square crops only).
        flip: probability of a left-right flip.
        shuffle_channels: probability of a random order of the colour channels.
        brightness: largest change either way, as a share of 255.
        contrast: largest change of the contrast either way, as a share.
        any_foreground: objects are label values other than 0 and 255; else the value 1 alone.
    """

    size: tuple[int, int]
    near_object: float = 0.9
    quarter_turns: bool = True
    flip: float = 0.5
    shuffle_channels: float = 0.5
    brightness: float = 0.1
    contrast: float = 0.2
    any_foreground: bool = True

    def __post_init__(self) -> None:
        if self.quarter_turns and self.size[0] != self.size[1]:
            raise ValueError(f"quarter turns need square crops, not {self.size}; switch one of them off")

    def __call__(self, image: np.ndarray, label: np.ndarray, draws: Draws) -> tuple[Tensor, Tensor]:
        """Image uint8 [3, H, W] and label uint8 [H, W]."""
        if label.shape[0] < self.size[0] or label.shape[1] < self.size[1]:
            image, label = pad_to(image, label, self.size)
        top, left = self._corner(label, draws)
        window = slice(top, top + self.size[0]), slice(left, left + self.size[1])
        image, label = image[window], label[window]
        turns = draws.randint(0, 3) if self.quarter_turns else 0
        image, label = np.rot90(image, turns), np.rot90(label, turns)
        if draws.random() < self.flip:
            image, label = image[:, ::-1], label[:, ::-1]
        image = self._recolour(image, draws)
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(np.ascontiguousarray(label))

    def _corner(self, label: np.ndarray, draws: Draws) -> tuple[int, int]:
        """Top and left of the crop; near an object, its centre is within a quarter of the crop of a labelled pixel."""
        spare = label.shape[0] - self.size[0], label.shape[1] - self.size[1]
        objects = foreground(label, any_value=self.any_foreground)
        candidates = np.flatnonzero(objects) if draws.random() < self.near_object else ()
        if len(candidates) == 0:
            return draws.randint(0, spare[0]), draws.randint(0, spare[1])
        pixel = divmod(int(candidates[draws.randint(0, len(candidates) - 1)]), label.shape[1])
        top, left = (
            min(max(at - side // 2 + draws.randint(-(side // 4), side // 4), 0), room)
            for at, side, room in zip(pixel, self.size, spare, strict=True)
        )
        return top, left

    def _recolour(self, image: np.ndarray, draws: Draws) -> np.ndarray:
        if draws.random() < self.shuffle_channels:
            first = draws.randint(0, 2)
            step = 1 + draws.randint(0, 1)  # the six orders of three channels
            image = image[..., [first, (first + step) % 3, (first + 2 * step) % 3]]
        contrast = 1 + self.contrast * (2 * draws.random() - 1)
        offset = 255 * self.brightness * (2 * draws.random() - 1) + 127.5 * (1 - contrast)
        if not self.contrast and not self.brightness:
            return image
        table = np.clip(np.rint(np.arange(256) * contrast + offset), 0, 255).astype(np.uint8)
        return table[image]
