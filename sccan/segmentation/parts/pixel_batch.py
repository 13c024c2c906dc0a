"""Pictures with a class for every pixel, as a batch.

Letters: B pictures, H W picture size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelBatch:
    """Pictures with a class for every pixel.

    Attributes:
        images: [B, 3, H, W], float32 normalised.
        labels: [B, H, W], int64: 0 background, 1.. the base classes in order, 255 ignored.
    """

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> PixelBatch:
        return PixelBatch(self.images.to(device, non_blocking=True), self.labels.to(device, non_blocking=True))

    def pin_memory(self) -> PixelBatch:
        """Called by torch's loader: tensors in page-locked memory, so that the copy to the device is asynchronous."""
        return PixelBatch(self.images.pin_memory(), self.labels.pin_memory())

    def channels_last(self) -> PixelBatch:
        """The same batch with the images' channels innermost in memory."""
        return PixelBatch(self.images.contiguous(memory_format=torch.channels_last), self.labels)
